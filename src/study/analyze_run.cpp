#include "study/analyze_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "analytics/metric_names.h"
#include "format/file_names.h"
#include "format/trace_schema.h"
#include "store/lock_finished_run.h"
#include "store/metric_set.h"
#include "store/replace_run_file.h"
#include "store/run_files.h"
#include "store/run_reader.h"
#include "store/table_reader.h"
#include "store/trace_storage.h"
#include "study/feed_metrics.h"

namespace signalbook {

namespace {

// What is known of each row of an index before a trace is read, in few bytes.
class Definitions {
 public:
  static constexpr int32_t kNone = MetricSet::kNotComputed;

  int32_t number_of(const std::string& text) {
    const auto known = std::ranges::find(texts_, text);
    const auto number = static_cast<int32_t>(known - texts_.begin());
    if (known == texts_.end()) texts_.push_back(text);
    return number;
  }
  const std::string& text(int32_t number) const { return texts_[static_cast<size_t>(number)]; }

 private:
  std::vector<std::string> texts_;  // metrics_definition: a few, each once
};

// One run, while its lock is held. Rows of its index pass by, some at a time: a million of them are not held.
class Analysis {
 public:
  Analysis(FileSystem& files, const std::string& run_path, const AnalyzeOptions& options)
      : files_(files), run_path_(run_path), options_(options) {}

  Result<AnalyzeReport> run() {
    SB_ASSIGN_OR_RETURN(index_, read_checked_index(files_, run_path_));
    SB_ASSIGN_OR_RETURN(traces_, open_traces(files_, run_path_, index_.description));
    SB_RETURN_IF_ERROR(prepare_feeds());
    SB_RETURN_IF_ERROR(define_figures());
    if (report_.trace_count == 0) return nothing_to_compute();
    SB_RETURN_IF_ERROR(choose_set());
    if (report_.was_there) return report_;
    SB_RETURN_IF_ERROR(report_.set_name == kIndexSet ? write_index() : write_set());
    return report_;
  }

 private:
  struct Feed {
    std::unique_ptr<Bars> bars;  // metrics point to them
    std::unique_ptr<FeedMetrics> metrics;
  };
  using Rows = std::vector<IndexRow>;

  Status for_each_part(const std::function<Status(const Rows&)>& visit) const;
  Status prepare_feeds();
  Status prepare_feed(const IndexRow& row, int64_t longest);
  Status define_figures();
  Status nothing_to_compute() const;
  Status choose_set();
  Status write_index();
  Status write_set();
  Result<MetricSet> compute(const Rows& rows);

  std::string index_path() const { return join_path(run_path_, file::kStrategyIndex); }
  int64_t row_count() const { return static_cast<int64_t>(wanted_.size()); }

  FileSystem& files_;
  const std::string& run_path_;
  const AnalyzeOptions& options_;
  CheckedIndex index_;
  std::unique_ptr<TraceStorage> traces_;
  std::map<std::string, Feed> feeds_;  // by data_id; without metrics where no bar lies in the window
  Status no_bars_;                     // why the first of these has none
  Definitions definitions_;
  std::vector<int32_t> wanted_, in_index_;  // of each row
  int64_t done_ = 0;                        // rows that were computed
  AnalyzeReport report_;
};

Status Analysis::for_each_part(const std::function<Status(const Rows&)>& visit) const {
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<IndexReader> reader, IndexReader::open(index_.bytes, index_path()));
  while (true) {
    SB_ASSIGN_OR_RETURN(const Rows rows, reader->next());
    if (rows.empty()) return Status();
    SB_RETURN_IF_ERROR(options_.control.check_interrupt());
    SB_RETURN_IF_ERROR(visit(rows));
  }
}

Status Analysis::prepare_feeds() {
  std::map<std::string, std::pair<IndexRow, int64_t>> longest;  // by data_id: a row with signals, and the most bars
  SB_RETURN_IF_ERROR(for_each_part([&](const Rows& rows) {
    for (const IndexRow& row : rows) {
      if (row.kind != SignalKind::number) continue;
      auto [feed, is_new] = longest.try_emplace(row.data_id, row, row.bar_count);
      feed->second.second = std::max(feed->second.second, row.bar_count);
    }
    return Status();
  }));
  for (const auto& [data_id, feed] : longest) SB_RETURN_IF_ERROR(prepare_feed(feed.first, feed.second));
  return Status();
}

Status Analysis::prepare_feed(const IndexRow& row, int64_t longest) {
  Feed feed;
  if (!options_.terms.without_bars) {
    Result<Bars> bars = read_stored_bars(files_, run_path_, row.data_id);
    if (!bars.ok()) {
      return bars.status().with("; bring them back, or compute what trades alone tell with --without-bars");
    }
    feed.bars = std::make_unique<Bars>(std::move(bars).value());
  }
  Result<std::unique_ptr<FeedMetrics>> metrics = FeedMetrics::make(feed.bars.get(), options_.terms, longest);
  // Of several feeds some may have no bar in that time.
  if (metrics.status().code() == StatusCode::not_found) {
    if (no_bars_.ok()) no_bars_ = metrics.status().at(run_path_);
  } else if (!metrics.ok()) {
    return metrics.status().at(fmt::format("{}: {} {}", run_path_, row.symbol, row.timeframe));
  } else {
    feed.metrics = std::move(metrics).value();
  }
  feeds_.emplace(row.data_id, std::move(feed));
  return Status();
}

// Which rows will have figures, at what they are computed, and what the index has: known before a trace is read.
Status Analysis::define_figures() {
  std::map<std::pair<std::string, int64_t>, int32_t> known;  // by data_id and bar_count
  SB_RETURN_IF_ERROR(for_each_part([&](const Rows& rows) {
    for (const IndexRow& row : rows) {
      int32_t number = Definitions::kNone;
      if (row.kind != SignalKind::number) {
        ++report_.classifier_count;
      } else {
        const auto [place, is_new] = known.try_emplace({row.data_id, row.bar_count}, Definitions::kNone);
        const FeedMetrics* const metrics = feeds_.at(row.data_id).metrics.get();
        const auto definition = is_new && metrics != nullptr ? metrics->definition(row.bar_count) : std::nullopt;
        if (definition) place->second = definitions_.number_of(*definition);
        number = place->second;
        ++(number == Definitions::kNone ? report_.outside_count : report_.trace_count);
      }
      wanted_.push_back(number);
    }
    return Status();
  }));
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<TableReader> reader,
                      TableReader::open(index_.bytes, index_path(), {kMetricsDefinition}, IndexEncoder::kRowsAtATime));
  while (true) {
    SB_ASSIGN_OR_RETURN(const std::optional<Table> table, reader->next());
    if (!table) break;
    const TableColumn* const column = table->find(kMetricsDefinition);
    for (size_t i = 0; i < table->row_count(); ++i) {
      const bool is_there = column != nullptr && column->type == ColumnType::text && !column->is_null(i);
      in_index_.push_back(is_there ? definitions_.number_of(column->texts[i]) : Definitions::kNone);
    }
  }
  in_index_.resize(wanted_.size(), Definitions::kNone);
  return Status();
}

Status Analysis::nothing_to_compute() const {
  if (!no_bars_.ok()) return no_bars_;
  if (report_.outside_count == 0) {
    return Status::not_found(fmt::format("{} has no signals, only classifiers, which earn nothing", run_path_));
  }
  return Status::not_found(options_.terms.has_window()
                               ? fmt::format("{}: every trace ends before that time begins", run_path_)
                               : fmt::format("{}: no signal has said anything on any bar", run_path_));
}

// Whether what is there was computed at what is to be computed, as far as it is there.
bool agrees(const std::vector<int32_t>& there, const std::vector<int32_t>& wanted) {
  return std::ranges::equal(there, wanted,
                            [](int32_t one, int32_t other) { return one == Definitions::kNone || one == other; });
}

Status Analysis::choose_set() {
  report_.set_name = options_.set_name;
  const bool is_in_index = in_index_ == wanted_;
  if (report_.set_name.empty()) {
    const MetricTerms& terms = options_.terms;
    const bool belongs_there = !terms.has_window() && !terms.has_exits() && !terms.without_bars;
    const bool has_others = !agrees(in_index_, wanted_);
    report_.set_name = is_in_index || (belongs_there && !has_others) ? kIndexSet : name_of_terms(terms);
  }
  if (report_.set_name == kIndexSet) {
    report_.was_there = is_in_index;
    return Status();
  }
  SB_RETURN_IF_ERROR(check_metric_set_name(report_.set_name));
  const std::string path = metric_set_path(report_.set_name);
  if (find_run_file(index_.description, path) == nullptr) return Status();
  // One that cannot be read is made anew.
  const Result<std::string> bytes = read_run_file(files_, run_path_, index_.description, path);
  if (!bytes.ok()) return Status();
  SB_ASSIGN_OR_RETURN(const Rows rows, decode_index(index_.bytes, index_path()));
  const Result<MetricSet> there = decode_metric_set(*bytes, join_path(run_path_, path), rows);
  if (!there.ok()) return Status();
  std::vector<int32_t> in_set(wanted_.size(), Definitions::kNone);
  for (size_t i = 0; i < in_set.size(); ++i) {
    if (const std::string* const text = there->definition(i)) in_set[i] = definitions_.number_of(*text);
  }
  report_.was_there = in_set == wanted_;
  return Status();
}

// The figures of the next rows.
Result<MetricSet> Analysis::compute(const Rows& rows) {
  MetricSet figures(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    const int32_t number = wanted_[static_cast<size_t>(done_) + i];
    if (number != Definitions::kNone) figures.set_definition(i, definitions_.text(number));
  }
  StudyControl control = options_.control;
  if (control.progress) {
    control.progress = [&](int64_t done, int64_t) { options_.control.progress(done_ + done, row_count()); };
  }
  SB_RETURN_IF_ERROR(control.for_each(rows.size(), [&](size_t i) -> Status {
    if (figures.definition(i) == nullptr) return Status();
    const IndexRow& row = rows[i];
    SB_ASSIGN_OR_RETURN(const TraceChanges trace, traces_->read_changes(row, /*with_prices=*/true));
    const Result<std::optional<Metrics>> computed = feeds_.at(row.data_id).metrics->compute(trace, row.bar_count);
    if (!computed.ok()) return computed.status().at(fmt::format("{}: strategy {}", row.trace_path, row.strategy_id));
    if (computed->has_value()) figures.figures[i] = **computed;
    return Status();
  }));
  done_ += static_cast<int64_t>(rows.size());
  return figures;
}

Status Analysis::write_index() {
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<IndexReader> reader, IndexReader::open(index_.bytes, index_path()));
  Rows rows;
  const auto columns = [&](size_t, size_t count) -> Result<Table> {
    // Both read the same file in parts of one size, but where row groups end.
    while (rows.size() < count) {
      SB_ASSIGN_OR_RETURN(Rows more, reader->next());
      if (more.empty()) return Status::damaged(index_path() + ": it has fewer rows than it says");
      std::ranges::move(more, std::back_inserter(rows));
    }
    const auto end = rows.begin() + static_cast<std::ptrdiff_t>(count);
    const Rows part(std::move_iterator(rows.begin()), std::move_iterator(end));
    rows.erase(rows.begin(), end);
    SB_ASSIGN_OR_RETURN(const MetricSet figures, compute(part));
    Table table;
    add_metric_columns(table, figures, 0, count);
    return table;
  };
  SB_ASSIGN_OR_RETURN(const std::string bytes, replace_index_columns(index_.bytes, index_path(), columns));
  return replace_run_file(files_, run_path_, file::kStrategyIndex, bytes);
}

Status Analysis::write_set() {
  SB_ASSIGN_OR_RETURN(const Rows rows, decode_index(index_.bytes, index_path()));
  SB_ASSIGN_OR_RETURN(const MetricSet figures, compute(rows));
  SB_ASSIGN_OR_RETURN(const std::string bytes, encode_metric_set(figures, rows));
  return replace_run_file(files_, run_path_, metric_set_path(report_.set_name), bytes);
}

}  // namespace

Result<AnalyzeReport> analyze_run(FileSystem& files, const std::string& run_path, const AnalyzeOptions& options) {
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<RunLock> lock, lock_finished_run(files, run_path));
  return Analysis(files, run_path, options).run();
}

Status drop_metric_set(FileSystem& files, const std::string& run_path, const std::string& set_name) {
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<RunLock> lock, lock_finished_run(files, run_path));
  SB_ASSIGN_OR_RETURN(const CheckedIndex index, read_checked_index(files, run_path));
  const std::string path = metric_set_path(set_name);
  if (find_run_file(index.description, path) != nullptr) return remove_run_file(files, run_path, path);
  std::string there;
  for (const RunDescription::File& entry : index.description.files) {
    if (const auto name = metric_set_name(entry.path)) there += (there.empty() ? "" : ", ") + *name;
  }
  return Status::not_found(fmt::format("{} has no metric set {}; {}", run_path, set_name,
                                       there.empty() ? "it has none beside its index" : "there are " + there));
}

}  // namespace signalbook
