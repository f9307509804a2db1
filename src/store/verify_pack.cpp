#include "store/verify_pack.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>
#include <utility>

#include "base/parallel_for.h"
#include "base/time_text.h"
#include "base/utf8.h"
#include "format/content_hash.h"
#include "format/trace_schema.h"
#include "store/pack_scan.h"
#include "store/verify_table.h"

namespace signalbook {

namespace {

using Fault = std::optional<std::string>;

std::string quoted(const std::string* text) { return text == nullptr ? "NULL" : fmt::format("'{}'", *text); }

std::string rows_text(int64_t begin, int64_t end) {
  return end - begin == 1 ? fmt::format("row {}", end) : fmt::format("rows {} to {}", begin + 1, end);
}

// One trace of a pack.
class PackedTraceCheck {
 public:
  PackedTraceCheck(const PackScan& pack, const PackGroup& group, const IndexRow& row, const Bars* bars)
      : pack_(pack), group_(group), row_(row), bars_(bars) {
    part_.begin = static_cast<size_t>(row.row_start - group.first_row);
    part_.end = part_.begin + static_cast<size_t>(row.change_count);
  }

  Fault check() const {
    if (part_.end > group_.size()) return "its rows do not lie in one row group";
    for (const auto& look :
         {&PackedTraceCheck::check_names, &PackedTraceCheck::check_first_row, &PackedTraceCheck::check_bars_of_rows,
          &PackedTraceCheck::check_values, &PackedTraceCheck::check_prices, &PackedTraceCheck::check_full_columns,
          &PackedTraceCheck::check_index_row}) {
      if (Fault fault = (this->*look)()) return fault;
    }
    return std::nullopt;
  }

 private:
  // What is wrong with a row of the pack, which is told by its number there.
  template <typename Check>
  Fault each_row(Check&& check) const {
    for (size_t row = part_.begin; row < part_.end; ++row) {
      if (const Fault fault = check(row)) {
        return fmt::format("row {}: {}", group_.first_row + static_cast<int64_t>(row) + 1, *fault);
      }
    }
    return std::nullopt;
  }

  Fault check_names() const {
    const std::string hash = row_.strategy_hash();
    return each_row([&](size_t row) -> Fault {
      if (group_.trace_id[row] != row_.trace_id)
        return fmt::format("trace_id is {}, not {}", group_.trace_id[row], row_.trace_id);
      if (group_.strategy_hash.at(row) != hash)
        return fmt::format("strategy_hash is '{}', not '{}'", group_.strategy_hash.at(row), hash);
      return std::nullopt;
    });
  }

  // A value stands on the first row of the trace, this one, and on no other.
  template <typename Value>
  Fault check_sparse(const char* name, const PackGroup::Sparse<Value>& column, const Value& wanted) const {
    auto next = std::ranges::lower_bound(column, part_.begin, {}, &std::pair<size_t, Value>::first);
    const bool is_there = next != column.end() && next->first == part_.begin;
    const int64_t first_row = group_.first_row + static_cast<int64_t>(part_.begin) + 1;
    if (!is_there) return fmt::format("row {}: {} is NULL", first_row, name);
    if (next->second != wanted)
      return fmt::format("row {}: {} is {}, the index has {}", first_row, name, next->second, wanted);
    if (++next != column.end() && next->first < part_.end) {
      return fmt::format("row {}: {} is not NULL, as it is after the first row",
                         group_.first_row + static_cast<int64_t>(next->first) + 1, name);
    }
    return std::nullopt;
  }

  Fault check_first_row() const {
    if (Fault fault = check_sparse(column::kMetadata, group_.metadata, row_.strategy_config)) return fault;
    if (Fault fault = check_sparse(column::kStrategyId, group_.strategy_id, to_valid_utf8(row_.strategy_id)))
      return fault;
    return check_sparse(column::kBarCount, group_.bar_count, row_.bar_count);
  }

  Fault check_bars_of_rows() const {
    return each_row([&](size_t row) -> Fault {
      const int32_t bar = group_.idx[row];
      if (bar < 0 || bar >= row_.bar_count) return fmt::format("idx {} lies outside the {} bars", bar, row_.bar_count);
      if (row > part_.begin && bar <= group_.idx[row - 1])
        return fmt::format("idx {} does not lie after {}", bar, group_.idx[row - 1]);
      return std::nullopt;
    });
  }

  Fault check_values() const {
    return each_row([&](size_t row) -> Fault {
      const bool is_first = row == part_.begin;
      if (pack_.kind() == SignalKind::label) {
        if (group_.labels[row].empty()) return "val is empty";
        if (!is_first && group_.labels[row] == group_.labels[row - 1])
          return "no change: val is that of the row before";
        return std::nullopt;
      }
      const double value = group_.values[row];
      if (!std::isfinite(value)) return "val is no finite number";
      if (value == 0.0 && std::signbit(value)) return "val is -0.0, which is stored as 0.0";
      if (!is_first && value == group_.values[row - 1]) return "no change: val is that of the row before";
      return std::nullopt;
    });
  }

  Fault check_prices() const {
    const auto broken = std::ranges::lower_bound(group_.broken_px, part_.begin);
    const bool is_broken = broken != group_.broken_px.end() && *broken < part_.end;
    return each_row([&](size_t row) -> Fault {
      const bool is_null = group_.px.empty() || std::isnan(group_.px[row]);
      if ((is_broken && *broken == row) || (pack_.is_full() && is_null)) return "px is no finite number";
      return std::nullopt;
    });
  }

  Fault check_full_columns() const {
    if (!pack_.is_full()) return std::nullopt;
    const std::string id = to_valid_utf8(row_.strategy_id);
    return each_row([&](size_t row) -> Fault {
      if (group_.sym.at(row) != row_.symbol)
        return fmt::format("sym is '{}', not '{}'", group_.sym.at(row), row_.symbol);
      if (group_.strat.at(row) != id) return fmt::format("strat is '{}', not '{}'", group_.strat.at(row), id);
      const auto bar = static_cast<size_t>(group_.idx[row]);
      if (bars_ == nullptr || bar >= bars_->size() || group_.ts[row] == bars_->ts[bar]) return std::nullopt;
      return fmt::format("ts is {}, bar {} opens at {}", format_time(group_.ts[row]), bar, format_time(bars_->ts[bar]));
    });
  }

  // What the index says of the rows as a whole.
  Fault check_index_row() const {
    const SignalChanges changes = group_.changes(pack_.kind(), part_);
    if (trace_hash(changes, row_.bar_count) != row_.trace_hash)
      return fmt::format("the changes do not have the trace_hash {}", to_hex(row_.trace_hash));
    const auto compare = [](const char* name, std::optional<int64_t> said, std::optional<int64_t> found) -> Fault {
      const auto text = [](std::optional<int64_t> value) { return value ? std::to_string(*value) : "NULL"; };
      if (said == found) return std::nullopt;
      return fmt::format("the index says {} {}, the trace {}", name, text(said), text(found));
    };
    if (Fault fault = compare("observed_from", row_.observed_from, changes.idx.front())) return fault;
    if (Fault fault = compare("observed_to", row_.observed_to, row_.bar_count - 1)) return fault;
    if (bars_ == nullptr) return std::nullopt;
    if (row_.bar_count > static_cast<int64_t>(bars_->size()))
      return fmt::format("the index says bar_count {}, the feed has {} bars", row_.bar_count, bars_->size());
    if (Fault fault = compare("first_ts", row_.first_ts, bars_->ts[static_cast<size_t>(changes.idx.front())]))
      return fault;
    return compare("last_ts", row_.last_ts, bars_->ts[static_cast<size_t>(changes.idx.back())]);
  }

  const PackScan& pack_;
  const PackGroup& group_;
  const IndexRow& row_;
  const Bars* bars_;
  PackGroup::Part part_;
};

std::vector<std::string> check_description(const PackScan& pack, std::span<const IndexRow* const> rows) {
  std::vector<std::string> found;
  const IndexRow& first = *rows.front();
  const std::pair<const char*, std::string> expected[] = {
      {metadata_key::kFormatVersion, std::to_string(kFormatVersion)},
      {metadata_key::kSymbol, first.symbol},
      {metadata_key::kTimeframe, first.timeframe},
      {metadata_key::kDataId, first.data_id},
      {metadata_key::kCreationTime, format_time(first.created_at)}};
  for (const auto& [key, value] : expected) {
    const std::optional<std::string> said = pack.metadata(key);
    if (said == value) continue;
    found.push_back(fmt::format("the metadata say {} {}, not '{}'", key, quoted(said ? &*said : nullptr), value));
  }
  const Fault stranger = first_fault(rows.size(), [&](size_t i) -> Fault {
    const IndexRow& row = *rows[i];
    const bool is_of_kind = row.kind == pack.kind() || row.change_count == 0;
    if (is_of_kind && row.symbol == first.symbol && row.timeframe == first.timeframe && row.data_id == first.data_id)
      return std::nullopt;
    return fmt::format("strategy {} is of another feed or kind than the pack", row.strategy_id);
  });
  if (stranger) found.push_back(*stranger);
  return found;
}

// Of many traces that are not right the first are told.
class TraceFaults {
 public:
  void add(std::string line) {
    ++count_;
    if (lines_.size() < kMostTold) lines_.push_back(std::move(line));
  }
  void add(TraceFaults more) {
    const size_t untold = more.count_ - more.lines_.size();
    for (std::string& line : more.lines_) add(std::move(line));
    count_ += untold;
  }
  std::vector<std::string> take() {
    if (count_ > lines_.size()) lines_.push_back(fmt::format("and {} more such lines", count_ - lines_.size()));
    return std::move(lines_);
  }

 private:
  static constexpr size_t kMostTold = 10;
  std::vector<std::string> lines_;
  size_t count_ = 0;
};

// A trace without changes has no row to be compared with.
TraceFaults check_empty_traces(std::span<const IndexRow* const> rows) {
  TraceFaults found;
  for (const IndexRow* const row : rows) {
    if (row->change_count > 0) continue;
    const bool says_nothing = row->bar_count == 0 && !row->observed_from && !row->observed_to && !row->first_ts &&
                              !row->last_ts && trace_hash({}, 0) == row->trace_hash;
    if (!says_nothing) {
      found.add(fmt::format("strategy {}: the index says that bars were observed, the trace has no changes",
                            row->strategy_id));
    }
  }
  return found;
}

}  // namespace

std::vector<std::string> check_pack_ranges(std::span<const IndexRow* const> rows, int64_t pack_row_count) {
  TraceFaults found;
  const auto tell_gap = [&](int64_t begin, int64_t end) {
    found.add(fmt::format("{}: no row of the index tells whose they are", rows_text(begin, end)));
  };
  int64_t next = 0;
  for (const IndexRow* const row : rows) {
    const int64_t end = row->row_start + row->change_count;
    if (row->row_start < 0 || row->change_count < 0 || end > pack_row_count) {
      found.add(fmt::format("strategy {}: the index says {}, and there are {} rows", row->strategy_id,
                            rows_text(row->row_start, end), pack_row_count));
      continue;
    }
    if (row->row_start > next) tell_gap(next, row->row_start);
    if (row->row_start < next) {
      found.add(fmt::format("strategy {}: the index says {}, of which those up to row {} are of other traces",
                            row->strategy_id, rows_text(row->row_start, end), next));
    }
    next = std::max(next, end);
  }
  if (next < pack_row_count) tell_gap(next, pack_row_count);
  return found.take();
}

std::vector<std::string> check_pack(FileSystem& files, const std::string& path, const std::string& name,
                                    std::span<const IndexRow* const> rows, const Bars* bars,
                                    const PackCheckOptions& options) {
  const Result<std::unique_ptr<PackScan>> opened = PackScan::open(files, path, name);
  if (!opened.ok()) {
    std::string what = opened.status().message();
    if (what.starts_with(name + ": ")) what.erase(0, name.size() + 2);
    return {what};
  }
  const PackScan& pack = **opened;
  std::vector<std::string> found = check_description(pack, rows);
  TraceFaults traces = check_empty_traces(rows);
  std::vector<std::vector<const IndexRow*>> of_group(pack.group_count());
  size_t group = 0;
  for (const IndexRow* const row : rows) {
    if (row->change_count == 0 || row->row_start < 0 || row->row_start >= pack.row_count()) continue;
    if (row->row_start < pack.first_row(group)) group = 0;
    while (row->row_start >= pack.first_row(group + 1)) ++group;
    of_group[group].push_back(row);
  }
  std::vector<TraceFaults> faults(of_group.size());
  const Status done = parallel_for(of_group.size(), options.threads, [&](size_t i) {
    const Result<PackGroup> read = pack.read_group(i);
    if (!read.ok()) {
      faults[i].add(read.status().message());
    } else {
      for (const IndexRow* const row : of_group[i]) {
        if (const Fault fault = PackedTraceCheck(pack, *read, *row, bars).check())
          faults[i].add(fmt::format("strategy {}: {}", row->strategy_id, *fault));
      }
    }
    if (options.progress) options.progress(pack.first_row(i + 1) - pack.first_row(i));
    return Status();
  });
  if (!done.ok()) return {done.message()};
  for (TraceFaults& more : faults) traces.add(std::move(more));
  std::ranges::move(traces.take(), std::back_inserter(found));
  return found;
}

}  // namespace signalbook
