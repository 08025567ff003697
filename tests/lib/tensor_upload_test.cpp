#include "lib/model/tensor_upload.h"

#include <doctest/doctest.h>

#include <atomic>
#include <numeric>

#include "lib/core/error.h"

using namespace eet;

namespace {

HostTensor make_tensor(const std::vector<int64_t>& shape, float first) {
  const auto count = static_cast<size_t>(
      std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>()));
  auto elements = std::make_shared<std::vector<float>>(count);
  std::iota(elements->begin(), elements->end(), first);
  // In three pieces where there are enough elements.
  const size_t third = count / 3;
  const float* data = elements->data();
  HostTensor tensor{DType::kF32, shape, {}, elements};
  const auto add = [&](size_t begin, size_t end) {
    if (end > begin) tensor.pieces.push_back({data + begin, static_cast<int64_t>(end - begin)});
  };
  add(0, third);
  add(third, 2 * third);
  add(2 * third, count);
  return tensor;
}

float first_element(const HostTensor& tensor) {
  return *static_cast<const float*>(tensor.pieces.front().data);
}

TensorSpec spec_of_layer(int64_t layer, std::vector<int64_t> shape) {
  return {.key = {.id = TensorId::kQkv, .layer = layer}, .shape = std::move(shape)};
}

}  // namespace

TEST_CASE("tensors loaded ahead come in order, each once, and others are loaded when asked for") {
  std::vector<TensorSpec> specs;
  specs.reserve(20);
  for (int i = 0; i < 20; ++i) specs.push_back(spec_of_layer(i, {3, 2}));
  std::atomic<int> loads = 0;
  const TensorLoader loader = [&](const TensorSpec& spec) {
    ++loads;
    return make_tensor(spec.shape, static_cast<float>(spec.key.layer));
  };
  LoaderAhead ahead(loader, specs);
  for (int i = 0; i < 20; ++i) {
    CHECK(first_element(ahead.load(specs[static_cast<size_t>(i)])) == i);
    if (i == 7) CHECK(first_element(ahead.load(specs[0])) == 0);
  }
  CHECK(loads == 21);
}

TEST_CASE("what a loader throws on its thread reaches who asks for the tensor") {
  const TensorLoader loader = [](const TensorSpec& spec) {
    if (spec.key.layer == 1) throw Error("layer 1 is broken");
    return make_tensor(spec.shape, 0);
  };
  const std::vector<TensorSpec> specs = {spec_of_layer(0, {1}), spec_of_layer(1, {1}),
                                         spec_of_layer(2, {1})};
  LoaderAhead ahead(loader, specs);
  CHECK_NOTHROW(ahead.load(specs[0]));
  CHECK_THROWS_WITH_AS(ahead.load(specs[1]), "layer 1 is broken", Error);
}

TEST_CASE("a tensor larger than the whole ring of blocks arrives converted and complete") {
  ThreadPool pool(2);
  Context ctx;
  ctx.pool = &pool;
  const std::vector<int64_t> shape = {4099, 9001};  // 74 MB in bf16; the ring has 64 MiB
  HostTensor tensor = make_tensor(shape, 1.0F);
  std::vector<uint16_t> out(4099 * 9001, 0xffff);
  TensorUpload(ctx).upload({out.data(), DType::kBF16, {4099, 9001}}, tensor);
  const auto* in = static_cast<const float*>(contiguous_data(tensor));
  size_t wrong = 0;
  for (size_t i = 0; i < out.size(); ++i) wrong += out[i] != f32_to_bf16(in[i]) ? 1 : 0;
  CHECK(wrong == 0);
}
