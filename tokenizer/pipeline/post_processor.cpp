#include "tokenizer/pipeline/post_processor.h"

#include <algorithm>
#include <string>
#include <utility>

#include "tokenizer/pipeline/component_fields.h"

namespace eet {
namespace {

using Item = std::optional<int32_t>;
using Items = std::vector<Item>;
// What the reference calls encodings: one for the text, which a template makes several of. They are
// joined at the end.
using Encodings = std::vector<Items>;

Encodings apply_template(const JsonView& processor, const Encodings& encodings,
                         bool add_special_tokens) {
  if (encodings.empty() || encodings.size() > 2) {
    processor.fail("one or two parts from the post-processors before it",
                   "the reference does not take others either");
  }
  const JsonView pieces = processor[encodings.size() == 1 ? "single" : "pair"];
  Encodings result;
  for (size_t i = 0; i < pieces.array().size(); ++i) {
    const JsonView piece = pieces.at(i);
    const JsonView sequence = piece["Sequence"];
    if (!sequence.is_null()) {
      const size_t index = sequence["id"].string() == "A" ? 0 : 1;
      if (index >= encodings.size()) sequence["id"].fail("A");
      result.push_back(encodings[index]);
      continue;
    }
    const std::string& name = piece["SpecialToken"]["id"].string();
    const JsonView ids = processor["special_tokens"][name.c_str()]["ids"];
    Items items;
    for (size_t j = 0; j < ids.array().size(); ++j) items.emplace_back(ids.at(j).token_id());
    if (add_special_tokens) result.push_back(std::move(items));
  }
  return result;
}

// ["</s>", 2]
int32_t read_token(const JsonView& pair) {
  if (pair.array().size() != 2) pair.fail("a token and its id");
  return pair.at(1).token_id();
}

// BERT's [CLS] A [SEP], and B [SEP] behind it; RoBERTa's </s> before B, too.
Encodings apply_cls_sep(const JsonView& processor, Encodings encodings, bool sep_before_second) {
  const int32_t cls = read_token(processor["cls"]);
  const int32_t sep = read_token(processor["sep"]);
  for (size_t i = 0; i < encodings.size(); ++i) {
    Items& items = encodings[i];
    if (i == 0) {
      items.insert(items.begin(), cls);
    } else if (sep_before_second) {
      items.insert(items.begin(), sep);
    }
    items.emplace_back(sep);
  }
  return encodings;
}

Items read(const JsonView& post_processor, bool add_special_tokens) {
  Encodings encodings = {{Item()}};
  for_each_component(post_processor, "processors", [&](const JsonView& component) {
    const std::string& type = component["type"].string();
    if (type == "TemplateProcessing") {
      encodings = apply_template(component, encodings, add_special_tokens);
    } else if (type == "RobertaProcessing" || type == "BertProcessing") {
      Encodings surrounded = apply_cls_sep(component, encodings, type == "RobertaProcessing");
      if (add_special_tokens) encodings = std::move(surrounded);
    } else if (type != "ByteLevel") {  // which moves offsets only
      component["type"].fail(
          "TemplateProcessing, ByteLevel, RobertaProcessing, BertProcessing or Sequence",
          "this post-processor is not supported");
    }
  });
  Items all;
  for (const Items& items : encodings) all.insert(all.end(), items.begin(), items.end());
  constexpr std::ptrdiff_t kMostTexts = 8;  // a file must not multiply text without bounds
  if (std::count(all.begin(), all.end(), Item()) > kMostTexts) {
    post_processor.fail("the text at most " + std::to_string(kMostTexts) + " times");
  }
  return all;
}

}  // namespace

PostProcessor::PostProcessor(const JsonView& post_processor)
    : with_special_tokens_(read(post_processor, true)), without_(read(post_processor, false)) {}

PostProcessor::PostProcessor(const std::vector<int32_t>& prefix,
                             const std::vector<int32_t>& suffix) {
  with_special_tokens_.insert(with_special_tokens_.begin(), prefix.begin(), prefix.end());
  with_special_tokens_.insert(with_special_tokens_.end(), suffix.begin(), suffix.end());
}

std::vector<int32_t> PostProcessor::apply(std::vector<int32_t> ids, bool add_special_tokens) const {
  const Items& items = add_special_tokens ? with_special_tokens_ : without_;
  if (items.size() == 1 && !items[0]) return ids;
  std::vector<int32_t> all;
  all.reserve(ids.size() + items.size());
  for (const Item& item : items) {
    if (item) {
      all.push_back(*item);
    } else {
      all.insert(all.end(), ids.begin(), ids.end());
    }
  }
  return all;
}

std::vector<int32_t> PostProcessor::prefix() const {
  std::vector<int32_t> ids;
  for (const Item& item : with_special_tokens_) {
    if (!item) break;
    ids.push_back(*item);
  }
  return ids;
}

int32_t PostProcessor::largest_id() const {
  int32_t largest = -1;
  for (const Item& item : with_special_tokens_) largest = std::max(largest, item.value_or(-1));
  return largest;
}

}  // namespace eet
