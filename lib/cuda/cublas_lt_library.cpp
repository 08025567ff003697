#include "lib/cuda/cublas_lt_library.h"

#include <dlfcn.h>
#include <glob.h>

#include <filesystem>
#include <system_error>
#include <vector>

#include "lib/core/error.h"

namespace eet {
namespace {

template <typename Function>
void find(Function& function, void* library, const char* name, const std::string& path) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  require(function != nullptr, path, ": expected a cuBLASLt of CUDA ", CUBLAS_VER_MAJOR, ".",
          CUBLAS_VER_MINOR, " or a later ", CUBLAS_VER_MAJOR, ".x, got one without ", name,
          "; install that, or use --device cpu");
}

// The files that match a shell pattern; none are no error.
void add_matches(const std::string& pattern, std::vector<std::string>& files) {
  glob_t matches{};
  if (::glob(pattern.c_str(), 0, nullptr, &matches) == 0) {
    files.insert(files.end(), matches.gl_pathv, matches.gl_pathv + matches.gl_pathc);
  }
  ::globfree(&matches);
}

std::vector<std::string> usual_places() {
  const std::string file = concat("libcublasLt.so.", CUBLAS_VER_MAJOR);
  std::vector<std::string> files = {file, concat(EET_CUDA_LIBRARY_DIR "/", file),
                                    concat("/usr/local/cuda/lib64/", file)};
  add_matches(concat("/usr/local/cuda-", CUBLAS_VER_MAJOR, ".*/lib64/", file), files);
  // In a virtual environment the program is in bin/, beside lib/.
  std::error_code ignored;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", ignored);
  const std::filesystem::path prefix = program.parent_path().parent_path();
  add_matches(concat(prefix.string(), "/lib/python3*/site-packages/nvidia/*/lib/", file), files);
  return files;
}

}  // namespace

CublasLtLibrary load_cublas_lt(std::span<const std::string> candidates) {
  std::string reasons;
  for (const std::string& path : candidates) {
    void* const library = ::dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL);
    if (library == nullptr) {
      reasons += concat(reasons.empty() ? "" : "; ", ::dlerror());
      continue;
    }
    CublasLtLibrary functions{};
    find(functions.version, library, "cublasLtGetVersion", path);
    find(functions.status_name, library, "cublasLtGetStatusName", path);
    find(functions.status_string, library, "cublasLtGetStatusString", path);
    find(functions.create, library, "cublasLtCreate", path);
    find(functions.destroy, library, "cublasLtDestroy", path);
    find(functions.layout_create, library, "cublasLtMatrixLayoutCreate", path);
    find(functions.layout_destroy, library, "cublasLtMatrixLayoutDestroy", path);
    find(functions.layout_set_attribute, library, "cublasLtMatrixLayoutSetAttribute", path);
    find(functions.desc_create, library, "cublasLtMatmulDescCreate", path);
    find(functions.desc_destroy, library, "cublasLtMatmulDescDestroy", path);
    find(functions.desc_set_attribute, library, "cublasLtMatmulDescSetAttribute", path);
    find(functions.preference_create, library, "cublasLtMatmulPreferenceCreate", path);
    find(functions.preference_destroy, library, "cublasLtMatmulPreferenceDestroy", path);
    find(functions.preference_set_attribute, library, "cublasLtMatmulPreferenceSetAttribute", path);
    find(functions.algo_get_heuristic, library, "cublasLtMatmulAlgoGetHeuristic", path);
    find(functions.algo_check, library, "cublasLtMatmulAlgoCheck", path);
    find(functions.algo_config_get_attribute, library, "cublasLtMatmulAlgoConfigGetAttribute",
         path);
    find(functions.matmul, library, "cublasLtMatmul", path);
    return functions;
  }
  throw Error(concat("cuBLASLt of CUDA ", CUBLAS_VER_MAJOR,
                     " cannot be loaded, which matrix products on a GPU need (", reasons,
                     "); install the CUDA toolkit's libcublas, add its folder to LD_LIBRARY_PATH, "
                     "or use --device cpu"));
}

const CublasLtLibrary& cublas_lt() {
  static const CublasLtLibrary library = load_cublas_lt(usual_places());
  return library;
}

}  // namespace eet
