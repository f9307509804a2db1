#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/file_system.h"
#include "base/status.h"
#include "format/bars.h"
#include "format/file_names.h"
#include "store/parameter_columns.h"
#include "store/recorded_trace.h"
#include "store/run_description.h"
#include "store/run_summary.h"
#include "store/staged_files.h"
#include "store/strategy_components.h"
#include "store/strategy_index.h"
#include "store/trace_writer.h"

namespace signalbook {

// Makes the files of one run, trace by trace, in the order of the index: what comes goes on to the disk under temporary
// names, and memory does not grow with the traces. commit() adds the rest and gives all of them their names, the index
// last, so that nothing in the directory is a run to any reader before. The same traces give the same bytes, whatever
// the number of threads.
class RunBuilder {
 public:
  struct Options {
    bool is_packed = false;
    PackOptions packs;
    size_t threads = 0;  // 0: one a core
  };

  // `description` says what no trace does: run_id, created_at, code_version, note, tags and writers. `parameters` has
  // seen those of every trace to come, and stays.
  RunBuilder(FileSystem& files, std::string run_path, RunDescription description, const ParameterColumns& parameters,
             const Options& options);

  // Bars whose data_id is this. Returns the feed's number.
  size_t add_feed(Bars bars, std::string data_id_hex);
  // The next ones: their index_order_key() goes up from call to call, and of equal ones those that were recorded first
  // come first.
  Status add_traces(std::vector<RecordedTrace> traces);

  Result<RunSummary> commit();

  const Bars& bars(size_t feed) const { return feeds_[feed].bars; }
  RunSummary& summary() { return summary_; }

 private:
  struct Feed {
    Bars bars;
    std::string data_id;
    int64_t file_size = 0;  // of the store's file, once it is there
    std::string file_sha256;
  };
  struct Prepared {
    RecordedTrace trace;
    IndexRow row;
    Digest prices{};  // of its own prices
    std::vector<StrategyComponent> components;
  };

  Result<Prepared> prepare(RecordedTrace trace) const;
  void add_components(const Prepared& prepared);
  // The traces of one configuration, of which all are there.
  void settle_group();
  Status write_settled();
  Status write_index_rows();
  Status write_bars(size_t feed);
  void describe_feeds();
  Status write_tables();

  FileSystem& files_;
  std::string run_path_, store_path_;
  RunDescription description_;
  Options options_;
  std::vector<Feed> feeds_;
  RunSummary summary_;

  StagedFiles staged_;
  TracePaths paths_;
  std::unique_ptr<TraceWriter> traces_;
  std::vector<Prepared> group_;    // of one configuration on feeds of one name; more of them may come
  std::vector<Prepared> settled_;  // to be written
  std::vector<IndexRow> rows_;     // written, and not yet in the index
  int64_t trace_count_ = 0;
  std::unique_ptr<StagedFile> index_file_;
  IndexEncoder index_;
  std::set<std::string> strategy_ids_;  // where there are several feeds
  std::vector<ComponentRow> components_;
  std::set<Digest> composites_;  // whose components are there
  size_t uneven_count_ = 0;      // composites whose weights do not sum to 1
};

}  // namespace signalbook
