//! The words of the workload: who trains what, and how it fails. Data only.

/// A kind of task that the team runs again and again.
pub(crate) struct Recipe {
    pub(crate) name: &'static str,
    pub(crate) project: &'static str,
    pub(crate) tags: &'static [&'static str],
    pub(crate) epochs: i64,
}

/// A way to fail.
pub(crate) struct Failure {
    pub(crate) reason: &'static str,
    pub(crate) traceback: &'static str,
    /// What the agent sees its program end with.
    pub(crate) exit_code: i32,
}

pub(crate) const RECIPES: [Recipe; 8] = [
    Recipe { name: "resnet50-imagenet/baseline", project: "Vision/ImageNet", tags: &["baseline"], epochs: 12 },
    Recipe { name: "yolo-defects/mosaic-aug", project: "Vision/Defects", tags: &[], epochs: 9 },
    Recipe { name: "unet-kidney/fold-3", project: "Vision/Segmentation", tags: &["cv"], epochs: 7 },
    Recipe { name: "bert-base-squad/lr-3e-5", project: "NLP/QA", tags: &["sweep"], epochs: 4 },
    Recipe { name: "gpt2-docs/warmup-500", project: "NLP/Generation", tags: &[], epochs: 10 },
    Recipe { name: "whisper-small-de/finetune", project: "Speech/ASR", tags: &["finetune"], epochs: 6 },
    Recipe { name: "xgb-fraud/nightly", project: "Tabular/Fraud", tags: &["nightly"], epochs: 2 },
    Recipe { name: "tabnet-churn/sweep-17", project: "Tabular/Churn", tags: &["sweep"], epochs: 5 },
];

pub(crate) const PEOPLE: [&str; 4] = ["Ada Okafor", "Marek Novák", "Li Wei", "Sofia Rossi"];
pub(crate) const WORKERS: [&str; 4] = ["gpu-node-01:gpu0", "gpu-node-01:gpu1", "gpu-node-02:gpu0", "cpu-node-07:cpu:0"];
pub(crate) const QUEUES: [&str; 3] = ["gpu-a100", "gpu-t4", "cpu"];

pub(crate) const FAILURES: [Failure; 7] = [
    Failure {
        reason: "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.40 GiB",
        traceback: "Traceback (most recent call last):\n  File \"train.py\", line 214, in <module>\n    main(args)\n  \
                    File \"train.py\", line 187, in main\n    loss.backward()\n  File \"torch/_tensor.py\", line 522, in \
                    backward\n    torch.autograd.backward(self, gradient)\ntorch.OutOfMemoryError: CUDA out of memory. \
                    Tried to allocate 2.40 GiB. GPU 0 has a total capacity of 39.39 GiB of which 1.12 GiB is free.",
        exit_code: 1,
    },
    Failure {
        reason: "FileNotFoundError: [Errno 2] No such file or directory: 'data/train/labels.csv'",
        traceback: "Traceback (most recent call last):\n  File \"train.py\", line 61, in <module>\n    labels = \
                    pd.read_csv(args.labels)\n  File \"pandas/io/parsers/readers.py\", line 1026, in read_csv\n    return \
                    _read(filepath_or_buffer, kwds)\nFileNotFoundError: [Errno 2] No such file or directory: \
                    'data/train/labels.csv'",
        exit_code: 1,
    },
    Failure {
        reason: "FloatingPointError: loss is nan at step 1841, stopping",
        traceback: "step 1838 loss=1.9921\nstep 1839 loss=14.7710\nstep 1840 loss=inf\nTraceback (most recent call \
                    last):\n  File \"train.py\", line 192, in main\n    raise FloatingPointError(f\"loss is {loss} at step \
                    {step}, stopping\")\nFloatingPointError: loss is nan at step 1841, stopping",
        exit_code: 1,
    },
    Failure {
        reason: "RuntimeError: DataLoader worker (pid 4127) is killed by signal: Killed.",
        traceback: "Traceback (most recent call last):\n  File \"torch/utils/data/dataloader.py\", line 1251, in \
                    _try_get_data\n    data = self._data_queue.get(timeout=timeout)\nRuntimeError: DataLoader worker (pid \
                    4127) is killed by signal: Killed.",
        exit_code: 1,
    },
    Failure {
        reason: "KeyError: 'val_f1'",
        traceback: "Validation: 100%|##########|\nTraceback (most recent call last):\n  File \"evaluate.py\", line 48, in \
                    report\n    best = max(history, key=lambda h: h['val_f1'])\nKeyError: 'val_f1'",
        exit_code: 1,
    },
    // The system says nothing to the program that it kills: only the agent tells.
    Failure {
        reason: "worker execution exit code 137",
        traceback: "Loading shards:  68%|######8   | 340/500\nrun.sh: line 3:    41 Killed                  python \
                    train.py --shards 500\nProcess failed, exit code 137",
        exit_code: 137,
    },
    Failure {
        reason: "worker execution exit code 2",
        traceback: "usage: train.py [-h] [--lr LR] [--epochs EPOCHS]\ntrain.py: error: unrecognized arguments: \
                    --learning-rate 3e-5\nProcess failed, exit code 2",
        exit_code: 2,
    },
];
