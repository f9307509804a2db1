#include "store/repack_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "base/parallel_for.h"
#include "format/file_names.h"
#include "format/trace_schema.h"
#include "store/lock_finished_run.h"
#include "store/pack_file.h"
#include "store/replace_run_file.h"
#include "store/run_files.h"
#include "store/run_reader.h"

namespace signalbook {

namespace {

constexpr size_t kTracesAtATime = 1024;

class Repack {
 public:
  Repack(FileSystem& files, const std::string& run_path, const RepackOptions& options)
      : files_(files), run_path_(run_path), options_(options), staged_(files, run_path) {}

  Result<RepackReport> run() {
    SB_RETURN_IF_ERROR(settle_run_files(files_, run_path_));
    SB_ASSIGN_OR_RETURN(CheckedIndex index, read_checked_index(files_, run_path_));
    before_ = std::move(index.description);
    index_ = std::move(index.bytes);
    SB_RETURN_IF_ERROR(check_layout(before_, run_path_));
    SB_ASSIGN_OR_RETURN(rows_, decode_index(index_, join_path(run_path_, file::kStrategyIndex)));
    report_.trace_count = static_cast<int64_t>(rows_.size());
    report_.was_so =
        std::ranges::all_of(rows_, [&](const IndexRow& row) { return row.is_packed() == options_.to_packs; });
    report_.bytes_before = report_.bytes_after = byte_count(rows_, before_);
    SB_RETURN_IF_ERROR(report_.was_so ? check_whole() : change());
    SB_ASSIGN_OR_RETURN(const std::vector<std::string> removed,
                        remove_unused_traces(files_, run_path_, /*is_dry=*/false));
    report_.removed_count = static_cast<int64_t>(removed.size());
    return report_;
  }

 private:
  static int64_t byte_count(const std::vector<IndexRow>& rows, const RunDescription& description) {
    int64_t bytes = 0;
    for (const IndexRow& row : rows) bytes += row.file_size;
    for (const RunDescription::File& file : description.files) bytes += pack_kind(file.path) ? file.size : 0;
    return bytes;
  }

  // What lies like that already. What an attempt that died has left may be the only copy of what is damaged here.
  Status check_whole() {
    if (options_.to_packs && options_.packs.columns == PackColumns::full) SB_RETURN_IF_ERROR(check_columns());
    SB_ASSIGN_OR_RETURN(const std::vector<std::string> left, remove_unused_traces(files_, run_path_, /*is_dry=*/true));
    if (left.empty()) return Status();
    SB_ASSIGN_OR_RETURN(const std::unique_ptr<TraceStorage> traces, open_traces(files_, run_path_, before_));
    std::set<std::string> packs;
    for (const IndexRow& row : rows_) {
      if (row.is_packed()) packs.insert(row.pack);
    }
    Status whole;
    for (const std::string& pack : packs) {
      if (whole.ok()) whole = check_run_file(files_, run_path_, before_, pack, FileCheck::digest);
    }
    if (whole.ok()) {
      whole = parallel_for(
          rows_.size(), options_.threads, [&](size_t i) { return traces->read(rows_[i]).status(); },
          options_.interrupt);
    }
    return whole.with(fmt::format("; nothing was removed: {} that an attempt which died has left may hold it ({})",
                                  left.size() == 1 ? "a file" : "files", left.front()));
  }

  Status check_columns() const {
    for (const IndexRow& row : rows_) {
      SB_ASSIGN_OR_RETURN(const std::unique_ptr<PackFile> pack, PackFile::open(files_, join_path(run_path_, row.pack)));
      if (pack->is_full()) return Status();
      return Status::invalid(fmt::format(
          "{} is packed already, without the columns of --columns full; unpack it first, then pack it", run_path_));
    }
    return Status();
  }

  Status change() {
    SB_RETURN_IF_ERROR(read_bars());
    const auto bars_of = [this](size_t feed) -> const Bars& { return *bars_[feed]; };
    const std::unique_ptr<TraceWriter> writer =
        options_.to_packs ? make_pack_writer(staged_, bars_of, options_.packs, options_.threads)
                          : make_trace_files_writer(staged_, bars_of, options_.threads);
    RunDescription next = before_;
    next.layout = options_.to_packs ? layout::kPacked : layout::kFiles;
    std::vector<RunDescription::File> packs;
    const auto write = [&]() -> Status {
      SB_RETURN_IF_ERROR(write_traces(*writer));
      SB_RETURN_IF_ERROR(writer->finish(packs));
      return staged_.publish_all();
    };
    if (const Status written = write(); !written.ok()) {
      staged_.discard();
      return written;
    }
    // Until the index is replaced both its versions need what they name.
    std::erase_if(next.files, [&](const RunDescription::File& file) {
      return std::ranges::find(packs, file.path, &RunDescription::File::path) != packs.end();
    });
    next.files.insert(next.files.begin(), packs.begin(), packs.end());  // as a commit names them
    report_.bytes_after = writer->byte_count();
    SB_ASSIGN_OR_RETURN(const std::string index, encode_new_index());
    const std::string path = join_path(run_path_, file::kRunDescription);
    SB_ASSIGN_OR_RETURN(const std::string text, files_.read_file(path));
    return replace_run_files(files_, run_path_, next, {{.name = file::kStrategyIndex, .bytes = index}},
                             [&](const RunDescription& description) { return change_run_files(text, description); });
  }

  Status read_bars() {
    for (const IndexRow& row : rows_) {
      if (feeds_.contains(row.data_id)) continue;
      Result<Bars> bars = read_stored_bars(files_, run_path_, row.data_id);
      if (!bars.ok()) return bars.status().with("; bring them back first: a pack leaves to them what they tell");
      feeds_.emplace(row.data_id, bars_.size());
      bars_.push_back(std::make_unique<Bars>(*std::move(bars)));
    }
    return Status();
  }

  Status write_traces(TraceWriter& writer) {
    SB_ASSIGN_OR_RETURN(const std::unique_ptr<TraceStorage> traces, open_traces(files_, run_path_, before_));
    places_ = rows_;
    for (size_t begin = 0; begin < rows_.size(); begin += kTracesAtATime) {
      const size_t count = std::min(kTracesAtATime, rows_.size() - begin);
      std::vector<RecordedTrace> read(count);
      SB_RETURN_IF_ERROR(parallel_for(
          count, options_.threads,
          [&](size_t i) -> Status {
            SB_ASSIGN_OR_RETURN(read[i], read_trace(*traces, rows_[begin + i]));
            return Status();
          },
          options_.interrupt));
      std::vector<TraceToWrite> items;
      for (size_t i = 0; i < count; ++i) {
        IndexRow& row = places_[begin + i];
        row.file_size = 0;
        row.file_sha256 = {};
        row.pack.clear();
        row.row_start = 0;
        items.push_back({.trace = &read[i], .row = &row});
      }
      SB_RETURN_IF_ERROR(writer.write(items));
      if (options_.progress) options_.progress(static_cast<int64_t>(begin + count), report_.trace_count);
    }
    return Status();
  }

  Result<RecordedTrace> read_trace(TraceStorage& traces, const IndexRow& row) const {
    SB_ASSIGN_OR_RETURN(Trace trace, traces.read(row));
    RecordedTrace recorded = {.strategy_id = row.strategy_id,
                              .config = row.strategy_config,
                              .feed = feeds_.at(row.data_id),
                              .changes = std::move(trace.changes),
                              .prices = {},
                              .last_bar = row.bar_count - 1,
                              .complete = row.complete};
    const Bars& bars = *bars_[recorded.feed];
    for (size_t k = 0; k < recorded.changes.size(); ++k) {
      const BarIndex bar = recorded.changes.idx[k];
      if (bar >= static_cast<BarIndex>(bars.size()) || trace.ts[k] != bars.ts[static_cast<size_t>(bar)]) {
        return Status::damaged(
            fmt::format("{}: strategy {}: bar {} is none of {}, or of another time; see: signalbook "
                        "verify --deep",
                        run_path_, row.strategy_id, bar, bars_path(row.data_id)));
      }
      const double close = bars.close[static_cast<size_t>(bar)];
      if (trace.px[k] != close && !std::isnan(trace.px[k])) recorded.prices.emplace_back(k, trace.px[k]);
    }
    return recorded;
  }

  Result<std::string> encode_new_index() const {
    const auto places = [&](size_t first, size_t count) {
      return Result(index_places(std::span(places_).subspan(first, count)));
    };
    return replace_index_columns(index_, join_path(run_path_, file::kStrategyIndex), places);
  }

  FileSystem& files_;
  const std::string& run_path_;
  const RepackOptions& options_;
  StagedFiles staged_;
  RepackReport report_;
  RunDescription before_;
  std::string index_;
  std::vector<IndexRow> rows_, places_;  // as they are, and where their traces will lie
  std::map<std::string, size_t> feeds_;  // data_id -> place in bars_
  std::vector<std::unique_ptr<const Bars>> bars_;
};

// Files below a directory of the run, relative to the run; and the directories, each behind what is in it.
Status list_below(FileSystem& files, const std::string& run_path, const std::string& directory,
                  std::vector<std::string>& found, std::vector<std::string>& directories) {
  const Result<std::vector<DirectoryEntry>> entries = files.list_directory(join_path(run_path, directory));
  if (!entries.ok()) return entries.status().code() == StatusCode::not_found ? Status() : entries.status();
  for (const DirectoryEntry& entry : *entries) {
    const std::string path = join_path(directory, entry.name);
    if (entry.is_directory && !entry.is_link) {
      SB_RETURN_IF_ERROR(list_below(files, run_path, path, found, directories));
    } else if (!entry.is_directory) {
      found.push_back(path);
    }
  }
  directories.push_back(directory);
  return Status();
}

}  // namespace

Result<RepackReport> repack_run(FileSystem& files, const std::string& run_path, const RepackOptions& options) {
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<RunLock> lock, lock_finished_run(files, run_path));
  return Repack(files, run_path, options).run();
}

Result<std::vector<std::string>> remove_unused_traces(FileSystem& files, const std::string& run_path, bool is_dry) {
  SB_ASSIGN_OR_RETURN(CheckedIndex index, read_checked_index(files, run_path));
  SB_ASSIGN_OR_RETURN(const std::vector<IndexRow> rows,
                      decode_index(index.bytes, join_path(run_path, file::kStrategyIndex)));
  std::set<std::string> used, logical;
  bool has_packs = false;
  for (const IndexRow& row : rows) {
    used.insert(row.is_packed() ? row.pack : row.trace_path);
    if (row.is_packed()) logical.insert(row.trace_path);
    has_packs = has_packs || row.is_packed();
  }
  std::vector<std::string> found, directories, unused;
  SB_RETURN_IF_ERROR(list_below(files, run_path, file::kTracesDirectory, found, directories));
  for (const std::string& path : found) {
    std::string name = path;
    const bool is_in_flight = name.ends_with(kTemporarySuffix);
    if (is_in_flight) name.resize(name.size() - kTemporarySuffix.size());
    const bool is_ours = logical.contains(name) || pack_kind(name) || (is_in_flight && used.contains(name));
    if (is_ours && !used.contains(path)) unused.push_back(path);
  }
  if (is_dry) return unused;

  RunDescription next = index.description;
  std::erase_if(next.files,
                [&](const RunDescription::File& entry) { return pack_kind(entry.path) && !used.contains(entry.path); });
  next.layout = has_packs ? layout::kPacked : layout::kFiles;
  if (next.files.size() != index.description.files.size() || next.layout != index.description.layout) {
    SB_ASSIGN_OR_RETURN(const std::string text, files.read_file(join_path(run_path, file::kRunDescription)));
    SB_RETURN_IF_ERROR(replace_run_files(files, run_path, next, {}, [&](const RunDescription& description) {
      return change_run_files(text, description);
    }));
  }
  if (unused.empty()) return unused;
  for (const std::string& path : unused) SB_RETURN_IF_ERROR(files.remove_file(join_path(run_path, path)));
  for (const std::string& directory : directories) {
    const std::string path = join_path(run_path, directory);
    SB_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> left, files.list_directory(path));
    if (left.empty()) SB_RETURN_IF_ERROR(files.remove_directory(path));
  }
  return unused;
}

}  // namespace signalbook
