// Functions that run on both sides: marks for the CUDA compiler, nothing for the others.
#pragma once

#if defined(__CUDACC__)
#define EET_HOST_DEVICE __host__ __device__
#else
#define EET_HOST_DEVICE
#endif
