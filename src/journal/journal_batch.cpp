#include "journal/journal_batch.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <type_traits>

namespace signalbook {

namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

// A payload is a row of blocks: this header, then `byte_count` bytes, then zeros up to a multiple of 8. Each type
// stands at most once, in the order of the numbers, and only where it has items; the head is always there.
struct BlockHeader {
  uint32_t type = 0;
  uint32_t item_count = 0;
  uint64_t byte_count = 0;
};
static_assert(sizeof(BlockHeader) == 16);

enum BlockType : uint32_t {
  kHead = 1,
  kFeeds = 2,
  kStrategies = 3,
  kTraces = 4,
  kLabels = 5,
  kChanges = 6,
  kLabelChanges = 7,
  kPrices = 8,
  kObserved = 9,
  kInputEnd = 10,  // one item of no bytes
};
// A reader that does not know a type with this bit may pass it over.
constexpr uint32_t kOptionalBit = 0x80000000;

struct BatchHead {
  int64_t position = 0;
  uint32_t first_feed = 0, first_strategy = 0, first_trace = 0, first_label = 0;
};

// These are written as they lie in memory.
template <typename Item>
constexpr bool is_plain(size_t size) {
  return std::is_trivially_copyable_v<Item> && sizeof(Item) == size;
}
static_assert(is_plain<BatchHead>(24) && is_plain<JournalTrace>(8) && is_plain<JournalChange>(16) &&
              is_plain<JournalLabelChange>(16) && is_plain<JournalPrice>(16) && is_plain<JournalObserved>(16));

constexpr size_t padding_of(uint64_t byte_count) { return static_cast<size_t>(-byte_count & 7); }

// Items of texts: the number, where there is one, then the length of each text (4 bytes), then the texts.
constexpr size_t kFeedBytes = 8 + 3 * 4;
constexpr size_t kStrategyBytes = 2 * 4;
constexpr size_t kLabelBytes = 4;

size_t size_of(const JournalFeed& feed) {
  return kFeedBytes + feed.symbol.size() + feed.timeframe.size() + feed.data_id.size();
}
size_t size_of(const JournalStrategy& strategy) { return kStrategyBytes + strategy.id.size() + strategy.config.size(); }
size_t size_of(const std::string& label) { return kLabelBytes + label.size(); }

template <typename Item>
size_t size_of_all(const std::vector<Item>& items) {
  if constexpr (std::is_trivially_copyable_v<Item>) {
    return items.size() * sizeof(Item);
  } else {
    size_t size = 0;
    for (const Item& item : items) size += size_of(item);
    return size;
  }
}

template <typename Item>
size_t block_size(const std::vector<Item>& items) {
  if (items.empty()) return 0;
  const size_t size = size_of_all(items);
  return sizeof(BlockHeader) + size + padding_of(size);
}

// ---- Writing
// ---------------------------------------------------------------------------------------------------------

template <typename Plain>
void append_plain(const Plain& value, std::string* bytes) {
  bytes->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <typename... Texts>
void append_texts(std::string* bytes, const Texts&... texts) {
  (append_plain(static_cast<uint32_t>(texts.size()), bytes), ...);
  (bytes->append(texts), ...);
}

void append_item(const JournalFeed& feed, std::string* bytes) {
  append_plain(feed.bar_count, bytes);
  append_texts(bytes, feed.symbol, feed.timeframe, feed.data_id);
}
void append_item(const JournalStrategy& strategy, std::string* bytes) {
  append_texts(bytes, strategy.id, strategy.config);
}
void append_item(const std::string& label, std::string* bytes) { append_texts(bytes, label); }

template <typename Item>
void append_block(BlockType type, const std::vector<Item>& items, std::string* bytes) {
  if (items.empty()) return;
  const size_t size = size_of_all(items);
  append_plain(BlockHeader{.type = type, .item_count = static_cast<uint32_t>(items.size()), .byte_count = size}, bytes);
  if constexpr (std::is_trivially_copyable_v<Item>) {
    bytes->append(reinterpret_cast<const char*>(items.data()), size);
  } else {
    for (const Item& item : items) append_item(item, bytes);
  }
  bytes->append(padding_of(size), '\0');
}

// ---- Reading
// ---------------------------------------------------------------------------------------------------------

// Takes from the front of bytes; false when there are not enough.
class Taker {
 public:
  explicit Taker(std::string_view bytes) : bytes_(bytes) {}

  bool at_end() const { return bytes_.empty(); }

  bool take(uint64_t size, std::string_view* taken) {
    if (size > bytes_.size()) return false;
    *taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return true;
  }
  template <typename Plain>
  bool take(Plain* value) {
    std::string_view taken;
    if (!take(sizeof(Plain), &taken)) return false;
    std::memcpy(value, taken.data(), sizeof(Plain));
    return true;
  }
  template <typename... Texts>
  bool take_texts(Texts*... texts) {
    std::array<uint32_t, sizeof...(Texts)> sizes;
    for (uint32_t& size : sizes) {
      if (!take(&size)) return false;
    }
    size_t next = 0;
    return (take_text(sizes[next++], texts) && ...);
  }
  bool take_zeros(size_t count) {
    std::string_view taken;
    return take(count, &taken) && taken.find_first_not_of('\0') == std::string_view::npos;
  }

 private:
  bool take_text(uint32_t size, std::string* text) {
    std::string_view taken;
    if (!take(size, &taken)) return false;
    text->assign(taken);
    return true;
  }

  std::string_view bytes_;
};

bool take_item(Taker& bytes, JournalFeed* feed) {
  return bytes.take(&feed->bar_count) && bytes.take_texts(&feed->symbol, &feed->timeframe, &feed->data_id);
}
bool take_item(Taker& bytes, JournalStrategy* strategy) { return bytes.take_texts(&strategy->id, &strategy->config); }
bool take_item(Taker& bytes, std::string* label) { return bytes.take_texts(label); }

template <typename Item>
bool take_items(uint32_t count, std::string_view bytes, std::vector<Item>* items) {
  if (count == 0) return false;
  if constexpr (std::is_trivially_copyable_v<Item>) {
    if (bytes.size() != uint64_t{count} * sizeof(Item)) return false;
    items->resize(count);
    std::memcpy(items->data(), bytes.data(), bytes.size());
    return true;
  } else {
    Taker taker(bytes);
    for (uint32_t i = 0; i < count; ++i) {  // no memory by the count alone, which may be any
      if (taker.at_end() || !take_item(taker, &items->emplace_back())) return false;
    }
    return taker.at_end();
  }
}

bool take_head(uint32_t count, std::string_view bytes, JournalBatch* batch) {
  Taker taker(bytes);
  BatchHead head;
  if (count != 1 || !taker.take(&head) || !taker.at_end()) return false;
  batch->position = head.position;
  batch->first_feed = head.first_feed;
  batch->first_strategy = head.first_strategy;
  batch->first_trace = head.first_trace;
  batch->first_label = head.first_label;
  return true;
}

// False when the block is none of its type. `known` says whether there is such a type.
bool take_block(const BlockHeader& header, std::string_view bytes, JournalBatch* batch, bool* known) {
  const uint32_t count = header.item_count;
  switch (header.type) {
    case kHead:
      return take_head(count, bytes, batch);
    case kFeeds:
      return take_items(count, bytes, &batch->feeds);
    case kStrategies:
      return take_items(count, bytes, &batch->strategies);
    case kTraces:
      return take_items(count, bytes, &batch->traces);
    case kLabels:
      return take_items(count, bytes, &batch->labels);
    case kChanges:
      return take_items(count, bytes, &batch->changes);
    case kLabelChanges:
      return take_items(count, bytes, &batch->label_changes);
    case kPrices:
      return take_items(count, bytes, &batch->prices);
    case kObserved:
      return take_items(count, bytes, &batch->observed);
    case kInputEnd:
      return batch->input_ended = count == 1 && bytes.empty();
    default:
      *known = false;
      return true;
  }
}

}  // namespace

void JournalBatch::clear() {
  first_feed += static_cast<uint32_t>(feeds.size());
  first_strategy += static_cast<uint32_t>(strategies.size());
  first_trace += static_cast<uint32_t>(traces.size());
  first_label += static_cast<uint32_t>(labels.size());
  feeds.clear();
  strategies.clear();
  traces.clear();
  labels.clear();
  changes.clear();
  label_changes.clear();
  prices.clear();
  observed.clear();
  input_ended = false;
}

bool JournalBatch::empty() const {
  return feeds.empty() && strategies.empty() && traces.empty() && labels.empty() && changes.empty() &&
         label_changes.empty() && prices.empty() && observed.empty() && !input_ended;
}

size_t JournalBatch::byte_count() const {
  return sizeof(BlockHeader) + sizeof(BatchHead) + block_size(feeds) + block_size(strategies) + block_size(traces) +
         block_size(labels) + block_size(changes) + block_size(label_changes) + block_size(prices) +
         block_size(observed) + (input_ended ? sizeof(BlockHeader) : 0);
}

void encode_batch(const JournalBatch& batch, std::string* bytes) {
  append_plain(BlockHeader{.type = kHead, .item_count = 1, .byte_count = sizeof(BatchHead)}, bytes);
  append_plain(BatchHead{.position = batch.position,
                         .first_feed = batch.first_feed,
                         .first_strategy = batch.first_strategy,
                         .first_trace = batch.first_trace,
                         .first_label = batch.first_label},
               bytes);
  append_block(kFeeds, batch.feeds, bytes);
  append_block(kStrategies, batch.strategies, bytes);
  append_block(kTraces, batch.traces, bytes);
  append_block(kLabels, batch.labels, bytes);
  append_block(kChanges, batch.changes, bytes);
  append_block(kLabelChanges, batch.label_changes, bytes);
  append_block(kPrices, batch.prices, bytes);
  append_block(kObserved, batch.observed, bytes);
  if (batch.input_ended) append_plain(BlockHeader{.type = kInputEnd, .item_count = 1, .byte_count = 0}, bytes);
}

Status decode_batch(std::string_view payload, JournalBatch* batch) {
  batch->clear();
  Taker blocks(payload);
  uint32_t last_type = 0;
  while (!blocks.at_end()) {
    BlockHeader header;
    std::string_view bytes;
    if (!blocks.take(&header) || !blocks.take(header.byte_count, &bytes) ||
        !blocks.take_zeros(padding_of(header.byte_count))) {
      return Status::damaged(fmt::format("block of type {} is cut off", header.type));
    }
    const bool in_order = last_type == 0 ? header.type == kHead : header.type > last_type;
    if (!in_order) return Status::damaged(fmt::format("block of type {} stands after {}", header.type, last_type));
    last_type = header.type;
    bool known = true;
    if (!take_block(header, bytes, batch, &known)) {
      return Status::damaged(fmt::format("block of type {} does not hold {} items", header.type, header.item_count));
    }
    if (!known && (header.type & kOptionalBit) == 0) {
      return Status::invalid(
          fmt::format("block of type {}, which this program does not know; take a newer Signalbook", header.type));
    }
  }
  if (last_type == 0) return Status::damaged("no block");
  return Status();
}

}  // namespace signalbook
