#include "cli/run_diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "format/short_digest.h"
#include "format/strategy_identity.h"
#include "query/arrow_c_stream.h"
#include "query/sql_engine.h"
#include "store/store.h"
#include "store/table.h"

namespace signalbook::cli {

namespace {

struct TraceRow {
  std::string digest, symbol, timeframe, trace_hash, type, strategy_id, data_id;
  int64_t change_count = 0;

  auto key() const { return std::tie(digest, symbol, timeframe); }
};

// The traces of a run in the order of their keys, then of their hashes.
class SortedTraces {
 public:
  ~SortedTraces() {
    if (stream_.release != nullptr) stream_.release(&stream_);
  }
  SortedTraces() = default;
  SortedTraces(const SortedTraces&) = delete;
  SortedTraces& operator=(const SortedTraces&) = delete;

  Status open(const std::string& run_path) {
    SB_ASSIGN_OR_RETURN(Scope scope, locate_scope(posix_file_system(), run_path));
    scope.run_path = run_path;
    SB_ASSIGN_OR_RETURN(engine_, SqlEngine::open(posix_file_system(), scope));
    SB_RETURN_IF_ERROR(engine_->query(
        "SELECT lower(hex(strategy_digest)) AS digest, symbol, timeframe, lower(hex(trace_hash)) AS trace_hash, "
        "strategy_type, strategy_id, data_id, change_count FROM strategies ORDER BY ALL",
        &stream_));
    return advance();
  }

  const TraceRow* front() const { return row_ ? &*row_ : nullptr; }

  Result<TraceRow> take() {
    TraceRow row = std::move(*row_);
    SB_RETURN_IF_ERROR(advance());
    return row;
  }

 private:
  Status advance() {
    row_.reset();
    while (next_ == batch_.row_count()) {
      ArrowArray array = {};
      if (stream_.get_next(&stream_, &array) != 0) return failure();
      if (array.release == nullptr) return Status();
      ArrowSchema schema = {};
      if (stream_.get_schema(&stream_, &schema) != 0) {
        array.release(&array);
        return failure();
      }
      SB_ASSIGN_OR_RETURN(batch_, table_from_arrow(&array, &schema));
      next_ = 0;
    }
    const auto text = [&](size_t column) {
      const TableColumn& c = batch_.columns[column];
      return c.is_null(next_) ? std::string() : c.texts[next_];
    };
    row_ = {text(0), text(1), text(2), text(3), text(4), text(5), text(6), batch_.columns[7].integers[next_]};
    ++next_;
    return Status();
  }

  Status failure() {
    const char* const message = stream_.get_last_error(&stream_);
    return Status::io_error(message == nullptr ? "the index cannot be read" : message);
  }

  std::unique_ptr<SqlEngine> engine_;
  ArrowArrayStream stream_ = {};
  Table batch_;
  size_t next_ = 0;
  std::optional<TraceRow> row_;
};

struct Difference {
  const char* change;
  std::optional<TraceRow> a, b;

  const TraceRow& either() const { return a ? *a : *b; }
};

}  // namespace

struct RunDiff::State {
  SortedTraces a, b;
  RunDiffOptions options;
  RunDiffCounts counts;
  std::deque<Difference> ready;     // of whole digests: the one after them is known
  std::vector<Difference> pending;  // of the digest before the one that comes next
  std::string pending_digest, last_digest;
  size_t pending_digits = kStrategyHashLength;
  std::deque<size_t> digits;  // to show of each that is ready
  bool is_at_end = false;
  Status failure;
  std::string error_text;

  Status read_digest();
  Status read_key(const TraceRow& key, std::vector<Difference>& found);
  void pair(std::vector<TraceRow>& rows_a, std::vector<TraceRow>& rows_b, std::vector<Difference>& found);
  void flush(size_t least_digits);
  Result<Table> next_rows();
};

namespace {

constexpr size_t kRowsPerBatch = 4096;

// The columns, empty.
Table make_table(const RunDiffOptions& options) {
  Table table;
  for (const char* name : {"change", "strategy_hash", "strategy_type", "symbol", "timeframe", "strategy_id_a",
                           "strategy_id_b", "data_id_a", "data_id_b", "trace_hash_a", "trace_hash_b"}) {
    table.add(name, ColumnType::text);
  }
  table.add("changes_a", ColumnType::int64);
  table.add("changes_b", ColumnType::int64);
  if (options.all_digits) table.add("strategy_digest", ColumnType::text);
  return table;
}

void append(const Difference& difference, size_t digits, const RunDiffOptions& options, Table& table) {
  const size_t most_digits = options.all_digits ? std::string::npos : kStrategyHashLength;
  const TraceRow& row = difference.either();
  size_t column = 0;
  const auto text = [&](const std::string& value) { table.columns[column++].append_text(value); };
  const auto both = [&](auto&& value) {
    for (const auto& side : {std::cref(difference.a), std::cref(difference.b)}) {
      TableColumn& target = table.columns[column++];
      side.get() ? target.append_text(value(*side.get())) : target.append_null();
    }
  };
  text(difference.change);
  text(row.digest.substr(0, digits));
  text(row.type);
  text(row.symbol);
  text(row.timeframe);
  both([](const TraceRow& side) { return side.strategy_id; });
  both([&](const TraceRow& side) { return side.data_id.substr(0, most_digits); });
  both([&](const TraceRow& side) { return side.trace_hash.substr(0, most_digits); });
  for (const auto& side : {std::cref(difference.a), std::cref(difference.b)}) {
    TableColumn& target = table.columns[column++];
    side.get() ? target.append_integer(side.get()->change_count) : target.append_null();
  }
  if (options.all_digits) text(row.digest);
}

}  // namespace

// One configuration may stand in a run more than once on a feed, with different traces. What says the same goes
// together first, then what is left, in order.
void RunDiff::State::pair(std::vector<TraceRow>& rows_a, std::vector<TraceRow>& rows_b,
                          std::vector<Difference>& found) {
  const auto add_both = [&](TraceRow& row_a, TraceRow& row_b) {
    const char* change = "same";
    if (row_a.data_id != row_b.data_id) {
      change = "other_data";
      ++counts.other_data;
    } else if (row_a.trace_hash != row_b.trace_hash) {
      change = "other_trace";
      ++counts.other_trace;
    } else {
      ++counts.same;
      if (!options.all) return;
    }
    found.push_back({change, std::move(row_a), std::move(row_b)});
  };
  std::vector<TraceRow> left_a;
  for (TraceRow& row_a : rows_a) {
    const auto twin = std::ranges::find_if(rows_b, [&](const TraceRow& row_b) {
      return row_b.trace_hash == row_a.trace_hash && row_b.data_id == row_a.data_id;
    });
    if (twin == rows_b.end()) {
      left_a.push_back(std::move(row_a));
      continue;
    }
    add_both(row_a, *twin);
    rows_b.erase(twin);
  }
  for (size_t i = 0; i < std::max(left_a.size(), rows_b.size()); ++i) {
    if (i < left_a.size() && i < rows_b.size()) {
      add_both(left_a[i], rows_b[i]);
    } else if (i < left_a.size()) {
      ++counts.only_a;
      found.push_back({"only_a", std::move(left_a[i]), std::nullopt});
    } else {
      ++counts.only_b;
      found.push_back({"only_b", std::nullopt, std::move(rows_b[i])});
    }
  }
}

Status RunDiff::State::read_key(const TraceRow& key, std::vector<Difference>& found) {
  const TraceRow wanted = key;  // the row itself is taken
  std::vector<TraceRow> rows_a, rows_b;
  for (const auto& [traces, rows] : {std::pair(&a, &rows_a), std::pair(&b, &rows_b)}) {
    while (traces->front() != nullptr && traces->front()->key() == wanted.key()) {
      SB_ASSIGN_OR_RETURN(TraceRow row, traces->take());
      rows->push_back(std::move(row));
    }
  }
  pair(rows_a, rows_b, found);
  return Status();
}

void RunDiff::State::flush(size_t least_digits) {
  for (Difference& difference : pending) {
    ready.push_back(std::move(difference));
    digits.push_back(std::max(least_digits, pending_digits));
  }
  pending.clear();
}

// The next strategy of both runs. How many digits of its hash are shown is known when the one after it is.
Status RunDiff::State::read_digest() {
  const auto first = [&]() -> const TraceRow* {
    const TraceRow *row_a = a.front(), *row_b = b.front();
    if (row_a == nullptr || row_b == nullptr) return row_a == nullptr ? row_b : row_a;
    return row_b->key() < row_a->key() ? row_b : row_a;
  };
  const TraceRow* row = first();
  if (row == nullptr) {
    flush(kStrategyHashLength);
    is_at_end = true;
    return Status();
  }
  const std::string digest = row->digest;
  size_t digits_of_both = kStrategyHashLength;
  if (digest.substr(0, kStrategyHashLength) == pending_digest.substr(0, kStrategyHashLength)) {
    const std::string both[] = {pending_digest, digest};
    digits_of_both = digits_to_tell_apart(both, kCollisionDigits);
  }
  flush(digits_of_both);
  pending_digest = digest;
  pending_digits = digits_of_both;
  for (; row != nullptr && row->digest == digest; row = first()) SB_RETURN_IF_ERROR(read_key(*row, pending));
  return Status();
}

Result<Table> RunDiff::State::next_rows() {
  while (ready.size() < kRowsPerBatch && !is_at_end) SB_RETURN_IF_ERROR(read_digest());
  Table table = make_table(options);
  for (size_t i = 0; i < kRowsPerBatch && !ready.empty(); ++i) {
    append(ready.front(), digits.front(), options, table);
    ready.pop_front();
    digits.pop_front();
  }
  return table;
}

RunDiff::RunDiff(std::unique_ptr<State> state) : state_(std::move(state)) {}
RunDiff::~RunDiff() = default;

Result<std::unique_ptr<RunDiff>> RunDiff::open(const std::string& run_a, const std::string& run_b,
                                               const RunDiffOptions& options) {
  auto state = std::make_unique<State>();
  state->options = options;
  SB_RETURN_IF_ERROR(state->a.open(run_a));
  SB_RETURN_IF_ERROR(state->b.open(run_b));
  return std::unique_ptr<RunDiff>(new RunDiff(std::move(state)));
}

void RunDiff::stream(ArrowArrayStream* out) {
  out->private_data = state_.get();
  out->release = [](ArrowArrayStream* stream) { stream->release = nullptr; };
  out->get_last_error = [](ArrowArrayStream* stream) {
    return static_cast<State*>(stream->private_data)->error_text.c_str();
  };
  out->get_schema = [](ArrowArrayStream* stream, ArrowSchema* schema) {
    ArrowArray none = {};
    const RunDiffOptions& options = static_cast<State*>(stream->private_data)->options;
    if (!table_to_arrow(make_table(options), &none, schema).ok()) return EIO;
    none.release(&none);
    return 0;
  };
  out->get_next = [](ArrowArrayStream* stream, ArrowArray* array) {
    State& state = *static_cast<State*>(stream->private_data);
    *array = {};
    Result<Table> rows = state.next_rows();
    ArrowSchema schema = {};
    Status status = rows.status();
    if (status.ok() && rows->row_count() == 0) return 0;
    if (status.ok()) status = table_to_arrow(*rows, array, &schema);
    if (status.ok()) {
      schema.release(&schema);
      return 0;
    }
    state.error_text = status.message();
    state.failure = std::move(status);
    return EIO;
  };
}

Result<RunDiffCounts> RunDiff::finish() {
  SB_RETURN_IF_ERROR(state_->failure);
  while (!state_->is_at_end) {
    SB_RETURN_IF_ERROR(state_->read_digest());
    state_->ready.clear();
    state_->digits.clear();
  }
  return state_->counts;
}

}  // namespace signalbook::cli
