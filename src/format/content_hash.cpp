#include "format/content_hash.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <span>
#include <string_view>

namespace signalbook {

namespace {

// Integers and reals are hashed as they lie in memory.
static_assert(std::endian::native == std::endian::little, "the recipe is little-endian");
static_assert(sizeof(double) == 8);

// The bytes of a recipe on their way into a digest. Small pieces are gathered first: a call of the digest costs more
// than hashing a label does.
class HashedBody {
 public:
  void append(std::string_view bytes) {
    if (bytes.size() > sizeof gathered_ - size_) flush();
    if (bytes.size() > sizeof gathered_) return digest_.update(bytes);
    bytes.copy(gathered_ + size_, bytes.size());
    size_ += bytes.size();
  }

  template <typename Integer>
  void append_integer(Integer value) {
    append({reinterpret_cast<const char*>(&value), sizeof value});
  }

  void append_integers(std::span<const int64_t> values) {
    append({reinterpret_cast<const char*>(values.data()), values.size_bytes()});
  }

  void append_text(std::string_view text) {
    append_integer(static_cast<uint32_t>(text.size()));
    append(text);
  }

  // -0.0 counts as 0.0, so the values pass through a block that can be changed.
  void append_reals(std::span<const double> values) {
    double block[512];
    while (!values.empty()) {
      const auto part = values.first(std::min(values.size(), std::size(block)));
      std::ranges::transform(part, block, [](double value) { return value + 0.0; });
      append({reinterpret_cast<const char*>(block), part.size_bytes()});
      values = values.subspan(part.size());
    }
  }

  Digest finish() {
    flush();
    return digest_.finish();
  }

 private:
  void flush() {
    digest_.update(gathered_, size_);
    size_ = 0;
  }

  Sha256 digest_;
  char gathered_[8192];
  size_t size_ = 0;
};

}  // namespace

TraceHash trace_hash(const SignalChanges& changes, int64_t bar_count) {
  const bool labels = changes.kind == SignalKind::label && changes.size() > 0;
  assert((labels ? changes.labels.size() : changes.values.size()) == changes.size());
  HashedBody body;
  body.append("SBT1");
  body.append_integer(static_cast<uint8_t>(labels));
  body.append_integer(bar_count);
  body.append_integer(static_cast<int64_t>(changes.size()));
  body.append_integers(changes.idx);
  if (labels) {
    for (const std::string& label : changes.labels) body.append_text(label);
  } else {
    body.append_reals(changes.values);
  }
  const Digest digest = body.finish();
  TraceHash hash;
  std::copy_n(digest.begin(), hash.size(), hash.begin());
  return hash;
}

Digest data_id(const Bars& bars) {
  HashedBody body;
  body.append("SBD1");
  body.append_text(bars.symbol);
  body.append_text(bars.timeframe);
  body.append_integer(static_cast<int64_t>(bars.size()));
  body.append_integers(bars.ts);
  for (const auto* column : {&bars.open, &bars.high, &bars.low, &bars.close}) {
    assert(column->size() == bars.size());
    body.append_reals(*column);
  }
  assert(!bars.has_volume() || bars.volume.size() == bars.size());
  body.append_integer(static_cast<uint8_t>(bars.has_volume()));
  body.append_reals(bars.volume);
  return body.finish();
}

}  // namespace signalbook
