#include "study/analyze_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "format/file_names.h"
#include "format/trace_schema.h"
#include "store/lock_finished_run.h"
#include "store/metric_set.h"
#include "store/replace_run_file.h"
#include "store/run_files.h"
#include "store/run_reader.h"
#include "study/feed_metrics.h"

namespace signalbook {

namespace {

// One run, while its lock is held.
class Analysis {
 public:
  Analysis(FileSystem& files, const std::string& run_path, const AnalyzeOptions& options)
      : files_(files), run_path_(run_path), options_(options) {}

  Result<AnalyzeReport> run() {
    SB_ASSIGN_OR_RETURN(run_, RunReader::open(files_, run_path_));
    SB_ASSIGN_OR_RETURN(index_, read_checked_index(files_, run_path_));
    SB_RETURN_IF_ERROR(prepare_feeds());
    define_figures();
    if (figures_.is_empty()) return nothing_to_compute();
    SB_RETURN_IF_ERROR(choose_set());
    if (report_.was_there) return report_;
    SB_RETURN_IF_ERROR(compute());
    SB_RETURN_IF_ERROR(write());
    return report_;
  }

 private:
  struct Feed {
    std::unique_ptr<Bars> bars;  // metrics point to them
    std::unique_ptr<FeedMetrics> metrics;
  };

  Status prepare_feeds();
  void define_figures();
  Status nothing_to_compute() const;
  Status choose_set();
  Status compute();
  Status write();

  std::string index_path() const { return join_path(run_path_, file::kStrategyIndex); }
  const std::vector<IndexRow>& rows() const { return run_->rows(); }
  const FeedMetrics* metrics_of(const IndexRow& row) const { return feeds_.at(row.data_id).metrics.get(); }
  std::optional<std::string> definition_of(const IndexRow& row) const {
    const FeedMetrics* const metrics = metrics_of(row);
    return metrics == nullptr ? std::nullopt : metrics->definition(row.bar_count);
  }

  FileSystem& files_;
  const std::string& run_path_;
  const AnalyzeOptions& options_;
  std::unique_ptr<RunReader> run_;
  CheckedIndex index_;
  std::map<std::string, Feed> feeds_;  // by data_id; without metrics where no bar lies in the window
  Status no_bars_;                     // why the first of these has none
  MetricSet figures_;
  AnalyzeReport report_;
};

Status Analysis::prepare_feeds() {
  std::map<std::string, int64_t> longest;  // by data_id
  for (const IndexRow& row : rows()) longest[row.data_id] = std::max(longest[row.data_id], row.bar_count);
  for (const IndexRow& row : rows()) {
    if (row.kind != SignalKind::number || feeds_.contains(row.data_id)) continue;
    Feed feed;
    if (!options_.terms.without_bars) {
      Result<Bars> bars = run_->read_bars(row.data_id);
      if (!bars.ok()) {
        return bars.status().with("; bring them back, or compute what trades alone tell with --without-bars");
      }
      feed.bars = std::make_unique<Bars>(std::move(bars).value());
    }
    Result<std::unique_ptr<FeedMetrics>> metrics =
        FeedMetrics::make(feed.bars.get(), options_.terms, longest[row.data_id]);
    // Of several feeds some may have no bar in that time.
    if (metrics.status().code() == StatusCode::not_found) {
      if (no_bars_.ok()) no_bars_ = metrics.status().at(run_path_);
    } else if (!metrics.ok()) {
      return metrics.status().at(fmt::format("{}: {} {}", run_path_, row.symbol, row.timeframe));
    } else {
      feed.metrics = std::move(metrics).value();
    }
    feeds_.emplace(row.data_id, std::move(feed));
  }
  return Status();
}

// Which rows will have figures, and at what they are computed: known before a trace is read.
void Analysis::define_figures() {
  figures_ = MetricSet(rows().size());
  for (size_t i = 0; i < rows().size(); ++i) {
    const IndexRow& row = rows()[i];
    if (row.kind != SignalKind::number) {
      ++report_.classifier_count;
    } else if (const auto definition = definition_of(row)) {
      figures_.set_definition(i, *definition);
      ++report_.trace_count;
    } else {
      ++report_.outside_count;
    }
  }
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

// Whether what is there was computed at what is to be computed, as far as it is there; `all`: nothing is missing.
bool has_definitions_of(const MetricSet& there, const MetricSet& wanted, bool all) {
  for (size_t i = 0; i < wanted.size(); ++i) {
    const std::string* const one = there.definition(i);
    const std::string* const other = wanted.definition(i);
    if (one == nullptr && (other == nullptr || !all)) continue;
    if (one == nullptr || other == nullptr || *one != *other) return false;
  }
  return true;
}

Status Analysis::choose_set() {
  report_.set_name = options_.set_name;
  SB_ASSIGN_OR_RETURN(const MetricSet in_index, decode_index_metrics(index_.bytes, index_path()));
  const bool is_in_index = has_definitions_of(in_index, figures_, /*all=*/true);
  if (report_.set_name.empty()) {
    const MetricTerms& terms = options_.terms;
    const bool belongs_there = !terms.has_window() && !terms.has_exits() && !terms.without_bars;
    const bool has_others = !has_definitions_of(in_index, figures_, /*all=*/false);
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
  const Result<MetricSet> there = decode_metric_set(*bytes, join_path(run_path_, path), rows());
  report_.was_there = there.ok() && has_definitions_of(*there, figures_, /*all=*/true);
  return Status();
}

Status Analysis::compute() {
  return options_.control.for_each(rows().size(), [&](size_t i) -> Status {
    if (figures_.definition(i) == nullptr) return Status();
    const IndexRow& row = rows()[i];
    SB_ASSIGN_OR_RETURN(const TraceChanges trace, run_->read_changes(row, /*with_prices=*/true));
    const Result<std::optional<Metrics>> figures = metrics_of(row)->compute(trace, row.bar_count);
    if (!figures.ok()) return figures.status().at(fmt::format("{}: strategy {}", row.trace_path, row.strategy_id));
    if (figures->has_value()) figures_.figures[i] = **figures;
    return Status();
  });
}

Status Analysis::write() {
  if (report_.set_name != kIndexSet) {
    SB_ASSIGN_OR_RETURN(const std::string bytes, encode_metric_set(figures_, rows()));
    return replace_run_file(files_, run_path_, metric_set_path(report_.set_name), bytes);
  }
  SB_ASSIGN_OR_RETURN(const std::string bytes, replace_index_metrics(index_.bytes, index_path(), figures_));
  return replace_run_file(files_, run_path_, file::kStrategyIndex, bytes);
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
