"""A training script that ends with an exception nobody catches."""

import shared

task = shared.manual_run("resnet50 that crashes")
for step in range(1, 8):
    task.get_logger().report_scalar("loss", "train", value=1.0 / step, iteration=step)
    print(f"epoch {step} loss {1.0 / step:.3f}")
raise RuntimeError("CUDA out of memory <!channel>")
