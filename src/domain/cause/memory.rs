//! The words by which programs and systems say that memory has run out.

use super::Cause;

/// Whatever says one of these had no memory left on its GPU: `PyTorch` (for CUDA, for AMD, for Apple), cuBLAS, cuDNN,
/// the driver, CUDA's runtime.
const ON_THE_GPU: [&str; 11] = [
    "CUDA out of memory",
    "CUDA error: out of memory",
    "HIP out of memory",
    "MPS backend out of memory",
    "torch.OutOfMemoryError",
    "torch.cuda.OutOfMemoryError",
    "cupy.cuda.memory.OutOfMemoryError",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDA_ERROR_OUT_OF_MEMORY",
    "cudaErrorMemoryAllocation",
];

/// Whatever says one of these had no memory left in its machine: Python, `NumPy`, `PyTorch`, C++, the JVM, Node, Go, Rust,
/// Linux, containers, Slurm.
const IN_THE_MACHINE: [&str; 16] = [
    "MemoryError",
    "std::bad_alloc",
    "java.lang.OutOfMemoryError",
    "JavaScript heap out of memory",
    "runtime: out of memory",
    "DefaultCPUAllocator: can't allocate memory",
    "DefaultCPUAllocator: not enough memory",
    "Unable to allocate ",
    "[Errno 12] Cannot allocate memory",
    "Cannot allocate memory",
    "Out of memory: Killed process",
    "oom-kill",
    "oom_kill",
    "OOMKilled",
    "OOM Killed",
    "ray.exceptions.OutOfMemoryError",
];

/// Which memory had run out, if the words say so.
pub(super) fn of_words(words: &str) -> Option<Cause> {
    let has = |list: &[&str]| list.iter().any(|part| words.contains(part));
    if has(&ON_THE_GPU) || is_resource_exhausted(words) {
        let on_host = words.contains("by allocator cpu") || words.contains("by allocator mklcpu");
        return Some(if on_host { Cause::OutOfMemory } else { Cause::CudaOutOfMemory });
    }
    let rust = words.contains("memory allocation of ") && words.contains(" bytes failed");
    (rust || has(&IN_THE_MACHINE)).then_some(Cause::OutOfMemory)
}

/// XLA and `TensorFlow`. gRPC uses the same word for quotas, so memory must be spoken of too.
fn is_resource_exhausted(words: &str) -> bool {
    let speaks_of_memory = || ["memory", "OOM", "allocat"].iter().any(|part| words.contains(part));
    words.contains("OOM when allocating tensor")
        || ["RESOURCE_EXHAUSTED", "ResourceExhaustedError"].iter().any(|name| words.contains(name))
            && speaks_of_memory()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_for_either_memory() {
        for words in [
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.40 GiB",
            "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
            "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 17179869184 bytes.",
            "ResourceExhaustedError: OOM when allocating tensor with shape[64,512] on /device:GPU:0 by allocator GPU_0_bfc",
        ] {
            assert_eq!(of_words(words), Some(Cause::CudaOutOfMemory), "{words}");
        }
        for words in [
            "MemoryError",
            "numpy.core._exceptions._ArrayMemoryError: Unable to allocate 74.5 GiB for an array",
            "terminate called after throwing an instance of 'std::bad_alloc'",
            "java.lang.OutOfMemoryError: Java heap space",
            "memory allocation of 68719476736 bytes failed",
            "OSError: [Errno 12] Cannot allocate memory",
            "OOM when allocating tensor with shape[9,9] on /device:CPU:0 by allocator cpu",
        ] {
            assert_eq!(of_words(words), Some(Cause::OutOfMemory), "{words}");
        }
        for words in ["RESOURCE_EXHAUSTED: Quota exceeded for requests", "memory usage: 3.2 GiB", "ValueError: x", ""] {
            assert_eq!(of_words(words), None, "{words}");
        }
    }
}
