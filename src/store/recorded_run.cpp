#include "store/recorded_run.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <tuple>
#include <unordered_map>

#include "format/content_hash.h"
#include "format/file_names.h"
#include "format/strategy_identity.h"
#include "store/bars_file.h"
#include "store/run_journals.h"

namespace signalbook {

namespace {

constexpr size_t kNoFeed = static_cast<size_t>(-1);

class RunRecordReader {
 public:
  RunRecordReader(FileSystem& files, std::string run_path) : files_(files), run_path_(std::move(run_path)) {}

  Result<RecordedRun> run() {
    SB_ASSIGN_OR_RETURN(const std::vector<WriterJournal> journals, list_journals(files_, run_path_));
    for (const WriterJournal& journal : journals) {
      SB_ASSIGN_OR_RETURN(WriterRecord record, read_writer_record(files_, journal));
      run_.torn_bytes += record.torn_bytes;
      run_.torn_paths.insert(run_.torn_paths.end(), record.torn_paths.begin(), record.torn_paths.end());
      run_.damage.insert(run_.damage.end(), record.damage.begin(), record.damage.end());
      run_.writers.push_back(std::move(record));
    }
    describe();
    SB_RETURN_IF_ERROR(add_feeds());
    SB_RETURN_IF_ERROR(find_sources());
    return std::move(run_);
  }

 private:
  void describe() {
    RunDescription& description = run_.description;
    description.run_id = file_name_of(run_path_);
    const JournalHeader* first = nullptr;
    for (const WriterRecord& writer : run_.writers) {
      description.writers.push_back({.name = writer.writer, .position = writer.position, .ended = writer.input_ended});
      if (!writer.header) continue;
      if (first == nullptr || writer.header->created_at < first->created_at) first = &*writer.header;
    }
    if (first == nullptr) return;
    description.created_at = first->created_at;
    description.code_version = first->code_version;
    description.note = first->note;
    description.tags = first->tags;
    run_.layout = first->layout;
  }

  // The bars of all writers; those that several have stand once.
  Status add_feeds() {
    std::map<std::tuple<std::string, std::string, std::string>, size_t> known;
    std::set<std::pair<std::string, std::string>> names;
    for (const WriterRecord& writer : run_.writers) {
      std::vector<size_t>& numbers = feeds_.emplace_back();
      for (const JournalFeed& feed : writer.feeds) {
        numbers.push_back(kNoFeed);
        if (feed.data_id.empty()) continue;  // its declaration is lost
        const auto [place, is_new] = known.try_emplace({feed.symbol, feed.timeframe, feed.data_id}, run_.feeds.size());
        numbers.back() = place->second;
        if (!is_new) continue;
        SB_ASSIGN_OR_RETURN(Bars bars, read_bars(feed.data_id));
        run_.bar_counts.push_back(static_cast<BarIndex>(bars.size()));
        run_.feeds.emplace_back(std::move(bars), feed.data_id);
        if (!names.emplace(feed.symbol, feed.timeframe).second) {
          run_.warnings.push_back(fmt::format(
              "the writers recorded {} {} on different bars: both are kept, and the data_id of a trace says "
              "which are its own",
              feed.symbol, feed.timeframe));
        }
      }
    }
    return Status();
  }

  Result<Bars> read_bars(const std::string& data_id_hex) {
    const std::string in_store = join_path(parent_path(run_path_), bars_path(data_id_hex));
    std::string why = in_store + ": the bars of this run are missing; bring them back from a copy, and recover again";
    for (const std::string& path : {journal_bars_path(run_path_, data_id_hex), in_store}) {
      const Result<std::string> bytes = files_.read_file(path);
      if (!bytes.ok()) {
        if (bytes.status().code() != StatusCode::not_found) return bytes.status();
        continue;
      }
      Result<Bars> bars = decode_bars_file(*bytes, path, BarsColumns::needed);
      if (bars.ok() && to_hex(data_id(*bars)) == data_id_hex) return bars;
      why = bars.ok() ? path + ": these are other bars" : bars.status().message();
    }
    return Status::damaged(why);
  }

  Status find_sources() {
    std::unordered_map<std::string, size_t> places;  // id and feed -> source
    int64_t lost = 0;
    for (uint32_t w = 0; w < run_.writers.size(); ++w) {
      const WriterRecord& writer = run_.writers[w];
      SB_ASSIGN_OR_RETURN(const std::vector<std::string> ids, name_strategies(writer));
      for (uint32_t t = 0; t < writer.traces.size(); ++t) {
        const TraceRecord& trace = writer.traces[t];
        const bool is_known = trace.strategy < ids.size() && !ids[trace.strategy].empty() &&
                              trace.feed < feeds_[w].size() && feeds_[w][trace.feed] != kNoFeed;
        if (!is_known) {
          ++lost;
          continue;
        }
        RecordedSource source = {
            .writer = w, .trace = t, .strategy_id = ids[trace.strategy], .feed = feeds_[w][trace.feed]};
        if (run_.writers.size() > 1) {
          const auto [place, is_new] =
              places.try_emplace(source.strategy_id + '\0' + std::to_string(source.feed), run_.sources.size());
          if (!is_new) {
            run_.sources[place->second].rivals.push_back(std::move(source));
            continue;
          }
        }
        run_.sources.push_back(std::move(source));
      }
    }
    if (lost > 0) {
      run_.damage.push_back(fmt::format("{}: the damage took what {} traces are traces of; they are left out",
                                        journal_directory(run_path_), lost));
    }
    return Status();
  }

  // The ids of a writer's strategies in the run; empty where the declaration is lost.
  Result<std::vector<std::string>> name_strategies(const WriterRecord& writer) {
    std::vector<std::string> ids;
    size_t renamed = 0;
    for (const JournalStrategy& strategy : writer.strategies) {
      std::string& id = ids.emplace_back(strategy.id);
      if (id.empty() || run_.writers.size() == 1) continue;
      SB_ASSIGN_OR_RETURN(const JsonValue config, parse_json(strategy.config));
      SB_ASSIGN_OR_RETURN(const JsonValue node, normalize_strategy(config));
      const Digest digest = identify_normalized(node).digest;
      while (configurations_.try_emplace(id, digest).first->second != digest) id += '~' + writer.writer;
      if (id != strategy.id) ++renamed;
    }
    if (renamed > 0) {
      run_.warnings.push_back(
          fmt::format("{} strategies of writer {} have an id that is another configuration's in another writer; theirs "
                      "got ~{} behind it",
                      renamed, writer.writer, writer.writer));
    }
    return ids;
  }

  FileSystem& files_;
  std::string run_path_;
  RecordedRun run_;
  std::vector<std::vector<size_t>> feeds_;                  // of each writer, in the run
  std::unordered_map<std::string, Digest> configurations_;  // under an id of the run
};

}  // namespace

Result<RecordedRun> read_recorded_run(FileSystem& files, const std::string& run_path) {
  return RunRecordReader(files, run_path).run();
}

}  // namespace signalbook
