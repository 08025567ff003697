#include "tokenizer/regex/unicode_encoding.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/unicode/character_set.h"

namespace eet {
namespace {

// How a property of the reference differs from the installed library's.
struct PropertyChange {
  std::string_view name;  // in lower case, without spaces, '-' and '_'
  uint16_t first_added;
  uint16_t added;
  uint16_t first_removed;
  uint16_t removed;
};

#include "tokenizer/regex/property_data.inc"

// Numbers of the properties that the installed library does not have: this and up.
constexpr OnigCtype kFirstNewProperty = 1 << 20;

using Ranges = std::vector<CodePointRange>;

// `ranges`, which may overlap, sorted and joined.
Ranges join(Ranges ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](const CodePointRange& a, const CodePointRange& b) { return a.first < b.first; });
  Ranges joined;
  for (const CodePointRange& range : ranges) {
    if (!joined.empty() && range.first <= joined.back().last + 1) {
      joined.back().last = std::max(joined.back().last, range.last);
    } else {
      joined.push_back(range);
    }
  }
  return joined;
}

// `ranges` without what is in `removed`; both sorted.
Ranges subtract(const Ranges& ranges, const Ranges& removed) {
  Ranges left;
  for (CodePointRange range : ranges) {
    for (const CodePointRange& gone : removed) {
      if (gone.last < range.first || gone.first > range.last) continue;
      if (gone.first > range.first) left.push_back({range.first, gone.first - 1});
      range.first = gone.last + 1;
    }
    if (range.first <= range.last) left.push_back(range);
  }
  return left;
}

Ranges ranges_of(uint16_t first, uint16_t count) {
  return {std::begin(kRanges) + first, std::begin(kRanges) + first + count};
}

// A property as it is in the reference.
struct Property {
  explicit Property(const Ranges& ranges) : set(ranges) {
    library_form.push_back(static_cast<OnigCodePoint>(ranges.size()));
    for (const CodePointRange& range : ranges) {
      library_form.push_back(range.first);
      library_form.push_back(range.last);
    }
  }
  CharacterSet set;
  std::vector<OnigCodePoint> library_form;  // their count, then first and last of each range
};

std::string plain_name(const OnigUChar* begin, const OnigUChar* end) {
  std::string name;
  for (const OnigUChar* at = begin; at < end; ++at) {
    if (*at == ' ' || *at == '-' || *at == '_') continue;
    name.push_back(static_cast<char>(std::tolower(*at)));
  }
  return name;
}

const PropertyChange* find_change(std::string_view name) {
  const auto* found = std::lower_bound(
      std::begin(kPropertyChanges), std::end(kPropertyChanges), name,
      [](const PropertyChange& change, std::string_view wanted) { return change.name < wanted; });
  return found != std::end(kPropertyChanges) && found->name == name ? found : nullptr;
}

// What the encoding's functions, which have no argument of their own, share. Properties are built
// when a pattern names them, and stay.
class ChangedProperties {
 public:
  ChangedProperties() {
    for (const PropertyChange& change : kPropertyChanges) {
      const auto* name = reinterpret_cast<const OnigUChar*>(change.name.data());
      const int ctype = library_ctype(name, name + change.name.size());
      if (ctype >= 0) changes_.emplace(static_cast<OnigCtype>(ctype), &change);
    }
    for (OnigCtype ctype = 0; ctype < kPrepared; ++ctype) prepared_[ctype] = find(ctype);
  }

  static int library_ctype(const OnigUChar* begin, const OnigUChar* end) {
    return ONIG_ENCODING_UTF8->property_name_to_ctype(
        ONIG_ENCODING_UTF8, const_cast<OnigUChar*>(begin), const_cast<OnigUChar*>(end));
  }

  // The property, or null where the library's own is right.
  const Property* find(OnigCtype ctype) {
    const PropertyChange* change = nullptr;
    if (ctype >= kFirstNewProperty) {
      change = &kPropertyChanges[ctype - kFirstNewProperty];
    } else if (const auto known = changes_.find(ctype); known != changes_.end()) {
      change = known->second;
    } else {
      return nullptr;
    }
    const std::lock_guard lock(mutex_);
    std::unique_ptr<Property>& property = properties_[ctype];
    if (!property) property = std::make_unique<Property>(current_ranges(ctype, *change));
    return property.get();
  }

  // The same for matching: only what a pattern's \w, \d, \s and \b ask for, without a lock.
  const Property* prepared(OnigCtype ctype) const {
    return ctype < kPrepared ? prepared_[ctype] : nullptr;
  }

 private:
  static constexpr OnigCtype kPrepared = ONIGENC_CTYPE_ASCII + 1;

  static Ranges current_ranges(OnigCtype ctype, const PropertyChange& change) {
    Ranges ranges = ranges_of(change.first_added, change.added);
    if (ctype < kFirstNewProperty) {
      OnigCodePoint single_byte_end = 0;
      const OnigCodePoint* library = nullptr;
      ONIG_ENCODING_UTF8->get_ctype_code_range(ctype, &single_byte_end, &library);
      for (OnigCodePoint i = 0; i < library[0]; ++i) {
        ranges.push_back({library[1 + 2 * i], library[2 + 2 * i]});
      }
    }
    return subtract(join(std::move(ranges)), ranges_of(change.first_removed, change.removed));
  }

  std::map<OnigCtype, const PropertyChange*> changes_;  // by the installed library's number
  std::mutex mutex_;
  std::map<OnigCtype, std::unique_ptr<Property>> properties_;
  const Property* prepared_[kPrepared] = {};
};

ChangedProperties& changed_properties() {
  static ChangedProperties properties;
  return properties;
}

int property_name_to_ctype(OnigEncoding, OnigUChar* begin, OnigUChar* end) {
  if (plain_name(begin, end) == "punct") {
    // The reference's [[:punct:]] has symbols, its \p{Punct} none. Older libraries have one for
    // both.
    constexpr std::string_view kPunctuation = "punctuation";
    const auto* name = reinterpret_cast<const OnigUChar*>(kPunctuation.data());
    return ChangedProperties::library_ctype(name, name + kPunctuation.size());
  }
  const int ctype = ChangedProperties::library_ctype(begin, end);
  if (ctype >= 0) return ctype;
  const PropertyChange* change = find_change(plain_name(begin, end));
  if (change == nullptr) return ctype;  // the library's error
  return static_cast<int>(kFirstNewProperty + (change - std::begin(kPropertyChanges)));
}

int is_code_ctype(OnigCodePoint code, OnigCtype ctype) {
  // Latin-1 has a table of its own in the library, which is not quite that of the properties.
  constexpr OnigCodePoint kLatin1End = 0x100;
  const Property* property = code < kLatin1End ? nullptr : changed_properties().prepared(ctype);
  if (property == nullptr) return ONIG_ENCODING_UTF8->is_code_ctype(code, ctype);
  return property->set.contains(code) ? 1 : 0;
}

int get_ctype_code_range(OnigCtype ctype, OnigCodePoint* single_byte_end,
                         const OnigCodePoint* ranges[]) {
  const Property* property = changed_properties().find(ctype);
  if (property == nullptr) {
    return ONIG_ENCODING_UTF8->get_ctype_code_range(ctype, single_byte_end, ranges);
  }
  constexpr OnigCodePoint kFirstMultibyte = 0x80;
  *single_byte_end = kFirstMultibyte;
  *ranges = property->library_form.data();
  return 0;
}

}  // namespace

OnigEncoding unicode_encoding() {
  static OnigEncodingType encoding = [] {
    OnigEncoding library = ONIG_ENCODING_UTF8;
    onig_initialize(&library, 1);
    OnigEncodingType changed = *library;
    changed.property_name_to_ctype = property_name_to_ctype;
    changed.is_code_ctype = is_code_ctype;
    changed.get_ctype_code_range = get_ctype_code_range;
    return changed;
  }();
  return &encoding;
}

}  // namespace eet
