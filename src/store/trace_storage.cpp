#include "store/trace_storage.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/recently_used.h"
#include "format/content_hash.h"
#include "format/file_names.h"
#include "format/signal_encoder.h"
#include "format/trace_schema.h"
#include "store/bars_file.h"
#include "store/pack_file.h"
#include "store/run_files.h"
#include "store/run_reader.h"
#include "store/strategy_row.h"

namespace signalbook {

namespace {

// Layout `files`: a Parquet file a trace, checked against the index as it is read.
class TraceFiles {
 public:
  TraceFiles(FileSystem& files, std::string run_path) : files_(files), run_path_(std::move(run_path)) {}

  Result<Trace> read(const IndexRow& row) {
    SB_ASSIGN_OR_RETURN(const std::string bytes, read_bytes(row));
    SB_ASSIGN_OR_RETURN(Trace trace, decode_trace_file(bytes, path_of(row)));
    if (trace_hash(trace.changes, row.bar_count) != row.trace_hash) {
      return Status::damaged(fmt::format("{}: the changes do not have the trace_hash of the index", path_of(row)));
    }
    return trace;
  }

  // The bytes are those that were recorded, of which trace_hash was computed: it is not computed again.
  Result<TraceChanges> read_changes(const IndexRow& row, bool with_prices) {
    SB_ASSIGN_OR_RETURN(const std::string bytes, read_bytes(row));
    SB_ASSIGN_OR_RETURN(TraceChanges trace, decode_trace_changes(bytes, path_of(row), with_prices));
    if (static_cast<int64_t>(trace.changes.size()) != row.change_count) {
      return Status::damaged(fmt::format("{}: {} changes, but {} by the index; `signalbook verify --deep` tells more",
                                         path_of(row), trace.changes.size(), row.change_count));
    }
    return trace;
  }

 private:
  std::string path_of(const IndexRow& row) const { return join_path(run_path_, row.trace_path); }

  Result<std::string> read_bytes(const IndexRow& row) {
    Result<std::string> read = files_.read_file(path_of(row));
    if (read.status().code() == StatusCode::not_found) {
      return Status::damaged(
          fmt::format("{}: the trace is missing (strategy {}); restore it from a copy", path_of(row), row.strategy_id));
    }
    SB_ASSIGN_OR_RETURN(std::string bytes, std::move(read));
    if (static_cast<int64_t>(bytes.size()) != row.file_size || sha256(bytes) != row.file_sha256) {
      return Status::damaged(
          fmt::format("{}: not the bytes that were recorded (strategy {})", path_of(row), row.strategy_id));
    }
    return bytes;
  }

  FileSystem& files_;
  std::string run_path_;
};

// Layout `packed`: rows of packs, each trace checked by its trace_hash. What the index and the bars say of a trace
// comes from there.
class TracePacks {
 public:
  TracePacks(FileSystem& files, std::string run_path, const RunDescription& description)
      : files_(files), run_path_(std::move(run_path)) {
    for (const RunDescription::File& file : description.files) sizes_[file.path] = file.size;
  }

  Result<Trace> read(const IndexRow& row) {
    SB_ASSIGN_OR_RETURN(TraceChanges found, read_rows(row));
    SB_ASSIGN_OR_RETURN(const std::shared_ptr<const Bars> bars, bars_of(row));
    SB_RETURN_IF_ERROR(check_bars(row, found.changes, *bars));
    Trace trace;
    trace.about = describe_trace(row);
    for (const BarIndex bar : found.changes.idx) trace.ts.push_back(bars->ts[static_cast<size_t>(bar)]);
    fill_prices(found, *bars);
    trace.changes = std::move(found.changes);
    trace.px = std::move(found.px);
    return trace;
  }

  Result<TraceChanges> read_changes(const IndexRow& row, bool with_prices) {
    SB_ASSIGN_OR_RETURN(TraceChanges trace, read_rows(row));
    if (!with_prices) {
      trace.px.clear();
      return trace;
    }
    const Result<std::shared_ptr<const Bars>> bars = bars_of(row);
    if (bars.ok()) {
      SB_RETURN_IF_ERROR(check_bars(row, trace.changes, **bars));
      fill_prices(trace, **bars);
    } else {
      trace.px.resize(trace.changes.size(), std::numeric_limits<double>::quiet_NaN());
    }
    return trace;
  }

 private:
  using PageKey = std::pair<const PackFile*, size_t>;

  std::string path_of(const IndexRow& row) const { return join_path(run_path_, row.pack); }

  Result<const PackFile*> open_pack(const IndexRow& row) {
    const std::lock_guard lock(mutex_);
    std::unique_ptr<PackFile>& pack = packs_[row.pack];
    if (pack != nullptr) return pack.get();
    SB_ASSIGN_OR_RETURN(std::unique_ptr<PackFile> opened, PackFile::open(files_, path_of(row)));
    const auto size = sizes_.find(row.pack);
    if (size != sizes_.end() && size->second != opened->byte_count()) {
      return Status::damaged(fmt::format("{}: {} bytes, {} were recorded; restore it from a copy", path_of(row),
                                         opened->byte_count(), size->second));
    }
    pack = std::move(opened);
    return pack.get();
  }

  // px is empty, or NaN where it is the close of that bar.
  Result<TraceChanges> read_rows(const IndexRow& row) {
    SB_ASSIGN_OR_RETURN(const PackFile* const pack, open_pack(row));
    TraceChanges trace;
    SignalChanges& changes = trace.changes;
    changes.kind = pack->kind();
    const int64_t end = row.row_start + row.change_count;
    for (int64_t next = row.row_start; next < end;) {
      SB_ASSIGN_OR_RETURN(const size_t page, pack->page_of(next));
      SB_ASSIGN_OR_RETURN(const std::shared_ptr<const PackRows> rows,
                          pages_.get(
                              PageKey(pack, page), [&] { return pack->read_page(page); },
                              [](const PackRows& read) { return read.byte_count(); }));
      const auto first = next - rows->first_row, last = std::min(end, rows->end_row()) - rows->first_row;
      const auto take = [&](const auto& from, auto& to) {
        if (!from.empty()) to.insert(to.end(), from.begin() + first, from.begin() + last);
      };
      if (!rows->px.empty()) trace.px.resize(changes.size(), std::numeric_limits<double>::quiet_NaN());
      take(rows->idx, changes.idx);
      take(rows->values, changes.values);
      take(rows->labels, changes.labels);
      take(rows->px, trace.px);
      if (!trace.px.empty()) trace.px.resize(changes.size(), std::numeric_limits<double>::quiet_NaN());
      next = rows->first_row + last;
    }
    const bool is_whole = row.kind == changes.kind || changes.size() == 0;
    if (!is_whole || !check_changes(changes, row.bar_count).ok() ||
        trace_hash(changes, row.bar_count) != row.trace_hash) {
      return Status::damaged(
          fmt::format("{}: rows {} to {} are not the changes of strategy {} that were recorded; restore it from a copy",
                      path_of(row), row.row_start + 1, end, row.strategy_id));
    }
    changes.kind = row.kind;
    return trace;
  }

  Result<std::shared_ptr<const Bars>> bars_of(const IndexRow& row) {
    return bars_.get(
        row.data_id, [&] { return read_stored_bars(files_, run_path_, row.data_id); },
        [](const Bars& bars) { return bars.size() * 6 * sizeof(double); });
  }

  Status check_bars(const IndexRow& row, const SignalChanges& changes, const Bars& bars) const {
    if (changes.size() == 0 || changes.idx.back() < static_cast<BarIndex>(bars.size())) return Status();
    return Status::damaged(fmt::format("{}: strategy {} changes on bar {}, and there are {} bars", path_of(row),
                                       row.strategy_id, changes.idx.back(), bars.size()));
  }

  static void fill_prices(TraceChanges& trace, const Bars& bars) {
    const SignalChanges& changes = trace.changes;
    trace.px.resize(changes.size(), std::numeric_limits<double>::quiet_NaN());
    for (size_t k = 0; k < changes.size(); ++k) {
      if (std::isnan(trace.px[k])) trace.px[k] = bars.close[static_cast<size_t>(changes.idx[k])];
    }
  }

  // Of a sweep neighbours share pages; of questions from everywhere the last ones stay.
  static constexpr size_t kMostPageBytes = 48 << 20, kMostBarBytes = 64 << 20;

  FileSystem& files_;
  std::string run_path_;
  std::map<std::string, int64_t> sizes_;  // of the files that run.json vouches for
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<PackFile>> packs_;
  RecentlyUsed<PackRows, PageKey> pages_{kMostPageBytes};
  RecentlyUsed<Bars> bars_{kMostBarBytes};
};

// The traces of a run by one version of its tables. Each row tells where its trace lies: while a run is packed or
// unpacked, and where that died, not all lie alike.
class TracesOfVersion {
 public:
  TracesOfVersion(FileSystem& files, const std::string& run_path, const RunDescription& description)
      : files_(files, run_path), packs_(files, run_path, description) {
    for (const RunDescription::File& file : description.files) versions_.emplace(file.path, file.sha256);
  }

  Result<Trace> read(const IndexRow& row) { return row.is_packed() ? packs_.read(row) : files_.read(row); }
  Result<TraceChanges> read_changes(const IndexRow& row, bool with_prices) {
    return row.is_packed() ? packs_.read_changes(row, with_prices) : files_.read_changes(row, with_prices);
  }
  // The pack's digest; empty for a pack that run.json did not name.
  std::string pack_version(const std::string& pack) const {
    const auto version = versions_.find(pack);
    return version == versions_.end() ? "" : version->second;
  }

 private:
  TraceFiles files_;
  TracePacks packs_;
  std::map<std::string, std::string> versions_;
};

// Rows are those of the index that somebody has read; a trace that does not lie there any more is looked for by the
// index that is there now.
class RunTraces : public TraceStorage {
 public:
  RunTraces(FileSystem& files, const std::string& run_path, const RunDescription& description)
      : files_(files), run_path_(run_path), first_(files, run_path, description) {}

  Result<Trace> read(const IndexRow& row) override {
    return read_where_it_lies<Trace>(row, [](TracesOfVersion& traces, const IndexRow& at) { return traces.read(at); });
  }
  Result<TraceChanges> read_changes(const IndexRow& row, bool with_prices) override {
    return read_where_it_lies<TraceChanges>(row, [with_prices](TracesOfVersion& traces, const IndexRow& at) {
      return traces.read_changes(at, with_prices);
    });
  }

 private:
  struct Newest {
    Newest(FileSystem& files, const std::string& run_path, const RunDescription& description)
        : traces(files, run_path, description) {}
    std::vector<IndexRow> rows;  // sorted by trace_path, which stays the same in whatever layout
    TracesOfVersion traces;
  };

  template <typename Found, typename Read>
  Result<Found> read_where_it_lies(const IndexRow& row, const Read& read) {
    Result<Found> found = read(first_, row);
    // Each time somebody has laid the run out anew just then: as often as that, nobody does it.
    constexpr int kAttempts = 20;
    const IndexRow* tried = &row;
    std::shared_ptr<Newest> tried_in;  // which holds that row
    for (int attempt = 0; attempt < kAttempts && found.status().code() == StatusCode::damaged; ++attempt) {
      const std::shared_ptr<Newest> newest = newest_version();
      if (newest == nullptr) break;
      const auto place = std::ranges::lower_bound(newest->rows, row.trace_path, {}, &IndexRow::trace_path);
      if (place == newest->rows.end() || place->trace_path != row.trace_path || place->trace_hash != row.trace_hash)
        break;
      if (lies_alike(tried_in == nullptr ? first_ : tried_in->traces, *tried, newest->traces, *place)) break;
      found = read(newest->traces, *place);
      tried = &*place;
      tried_in = newest;
    }
    return found;
  }

  static bool lies_alike(const TracesOfVersion& before, const IndexRow& row, const TracesOfVersion& after,
                         const IndexRow& now) {
    if (row.pack != now.pack) return false;
    if (!row.is_packed()) return row.file_sha256 == now.file_sha256;
    const std::string was = before.pack_version(row.pack);
    return row.row_start == now.row_start && (was.empty() || was == after.pack_version(now.pack));
  }

  // None where the run cannot be read. Tables that are what they were are not read again.
  std::shared_ptr<Newest> newest_version() {
    const std::lock_guard lock(mutex_);
    std::vector<FileStamp> stamps;
    for (const char* const name : {file::kRunDescription, file::kStrategyIndex}) {
      const Result<std::optional<FileStamp>> stamp = files_.stamp(join_path(run_path_, name));
      if (!stamp.ok() || !stamp->has_value()) return nullptr;
      stamps.push_back(**stamp);
    }
    if (stamps == newest_stamps_) return newest_;
    newest_stamps_ = std::move(stamps);
    newest_ = nullptr;
    const Result<CheckedIndex> index = read_checked_index(files_, run_path_);
    if (!index.ok() || !check_layout(index->description, run_path_).ok()) return nullptr;
    Result<std::vector<IndexRow>> rows = decode_index(index->bytes, join_path(run_path_, file::kStrategyIndex));
    if (!rows.ok()) return nullptr;
    newest_ = std::make_shared<Newest>(files_, run_path_, index->description);
    newest_->rows = std::move(rows).value();
    std::ranges::sort(newest_->rows, {}, &IndexRow::trace_path);
    return newest_;
  }

  FileSystem& files_;
  std::string run_path_;
  TracesOfVersion first_;
  std::mutex mutex_;
  std::vector<FileStamp> newest_stamps_;  // of run.json and index, from before they were read
  std::shared_ptr<Newest> newest_;
};

}  // namespace

Result<std::unique_ptr<TraceStorage>> open_traces(FileSystem& files, const std::string& run_path,
                                                  const RunDescription& description) {
  SB_RETURN_IF_ERROR(check_layout(description, run_path));
  return std::unique_ptr<TraceStorage>(std::make_unique<RunTraces>(files, run_path, description));
}

Result<std::unique_ptr<TraceStorage>> open_traces(FileSystem& files, const std::string& run_path) {
  const Result<RunDescription> description = read_run_description(files, run_path);
  if (description.status().code() == StatusCode::not_found) {
    return Status::damaged(
        fmt::format("{} is missing from a finished run", join_path(run_path, file::kRunDescription)));
  }
  SB_RETURN_IF_ERROR(description.status());
  return open_traces(files, run_path, *description);
}

Result<Bars> read_stored_bars(FileSystem& files, const std::string& run_path, const std::string& data_id) {
  const std::string path = join_path(join_path(run_path, ".."), bars_path(data_id));
  const Result<std::string> bytes = files.read_file(path);
  if (!bytes.ok()) {
    if (bytes.status().code() != StatusCode::not_found) return bytes.status();
    return Status::damaged(fmt::format("{}: the bars of {} are missing from the store", path, run_path));
  }
  return decode_bars_file(*bytes, path, BarsColumns::needed);
}

}  // namespace signalbook
