// The library cuBLASLt, loaded when a GPU is used. Linked to the program, it would cost every start
// 240 ms and 217 MB (cuBLASLt 13.0), also where nothing runs on a GPU.
#pragma once

#include <cublasLt.h>

#include <span>
#include <string>

namespace eet {

// The functions of cublasLt.h that eet calls.
struct CublasLtLibrary {
  decltype(&::cublasLtGetVersion) version;
  decltype(&::cublasLtGetStatusName) status_name;
  decltype(&::cublasLtGetStatusString) status_string;
  decltype(&::cublasLtCreate) create;
  decltype(&::cublasLtDestroy) destroy;
  decltype(&::cublasLtMatrixLayoutCreate) layout_create;
  decltype(&::cublasLtMatrixLayoutDestroy) layout_destroy;
  decltype(&::cublasLtMatrixLayoutSetAttribute) layout_set_attribute;
  decltype(&::cublasLtMatmulDescCreate) desc_create;
  decltype(&::cublasLtMatmulDescDestroy) desc_destroy;
  decltype(&::cublasLtMatmulDescSetAttribute) desc_set_attribute;
  decltype(&::cublasLtMatmulPreferenceCreate) preference_create;
  decltype(&::cublasLtMatmulPreferenceDestroy) preference_destroy;
  decltype(&::cublasLtMatmulPreferenceSetAttribute) preference_set_attribute;
  decltype(&::cublasLtMatmulAlgoGetHeuristic) algo_get_heuristic;
  decltype(&::cublasLtMatmulAlgoCheck) algo_check;
  decltype(&::cublasLtMatmulAlgoConfigGetAttribute) algo_config_get_attribute;
  decltype(&::cublasLtMatmul) matmul;
};

// Takes the functions from the first of `candidates` (file names as dlopen takes them) that can be
// loaded. The library stays loaded. Throws Error when there is none, or it lacks a function.
CublasLtLibrary load_cublas_lt(std::span<const std::string> candidates);

// The library of the CUDA version that eet was built with, loaded by the first call: from where the
// dynamic linker finds it, else from a CUDA toolkit, else from NVIDIA's Python packages beside the
// program. Throws Error as load_cublas_lt does.
const CublasLtLibrary& cublas_lt();

}  // namespace eet
