#include "store/run_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/digest.h"
#include "format/content_hash.h"
#include "format/file_names.h"
#include "format/short_digest.h"
#include "format/trace_schema.h"
#include "store/bars_file.h"
#include "store/run_files.h"

namespace signalbook {

namespace {

// Layout `files`: a Parquet file a trace, checked against the index as it is read.
class TraceFiles : public TraceStorage {
 public:
  TraceFiles(FileSystem& files, std::string run_path) : files_(files), run_path_(std::move(run_path)) {}

  Result<Trace> read(const IndexRow& row) override {
    SB_ASSIGN_OR_RETURN(const std::string bytes, read_bytes(row));
    SB_ASSIGN_OR_RETURN(Trace trace, decode_trace_file(bytes, path_of(row)));
    if (trace_hash(trace.changes, row.bar_count) != row.trace_hash) {
      return Status::damaged(fmt::format("{}: the changes do not have the trace_hash of the index", path_of(row)));
    }
    return trace;
  }

  // The bytes are those that were recorded, of which trace_hash was computed: it is not computed again.
  Result<TraceChanges> read_changes(const IndexRow& row, bool with_prices) override {
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

Result<std::unique_ptr<TraceStorage>> traces_of(FileSystem& files, const std::string& run_path,
                                                const RunDescription& description) {
  if (description.layout != "files") {
    return Status::invalid(fmt::format("{}: layout '{}' is unknown to this program; take a newer Signalbook", run_path,
                                       description.layout));
  }
  return std::unique_ptr<TraceStorage>(std::make_unique<TraceFiles>(files, run_path));
}

Status no_description(const std::string& run_path) {
  return Status::damaged(fmt::format("{} is missing from a finished run", join_path(run_path, file::kRunDescription)));
}

bool is_hash_prefix(std::string_view text) {
  constexpr size_t kMinDigits = 4, kMaxDigits = 64;
  return text.size() >= kMinDigits && text.size() <= kMaxDigits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

Result<std::unique_ptr<TraceStorage>> open_traces(FileSystem& files, const std::string& run_path) {
  const Result<RunDescription> description = read_run_description(files, run_path);
  if (description.status().code() == StatusCode::not_found) return no_description(run_path);
  SB_RETURN_IF_ERROR(description.status());
  return traces_of(files, run_path, *description);
}

Result<Bars> read_stored_bars(FileSystem& files, const std::string& run_path, const std::string& data_id) {
  const std::string path = join_path(join_path(run_path, ".."), bars_path(data_id));
  const Result<std::string> bytes = files.read_file(path);
  if (!bytes.ok()) {
    if (bytes.status().code() != StatusCode::not_found) return bytes.status();
    return Status::damaged(fmt::format("{}: the bars of {} are missing from the store", path, run_path));
  }
  return decode_bars_file(*bytes, path);
}

Result<CheckedIndex> read_checked_index(FileSystem& files, const std::string& run_path) {
  SB_ASSIGN_OR_RETURN(const bool is_finished, files.file_exists(join_path(run_path, file::kStrategyIndex)));
  if (!is_finished) {
    return Status::not_found(fmt::format("{} is no finished run: it has no {}", run_path, file::kStrategyIndex));
  }
  Result<DescribedFile> found = read_described_file(files, run_path, file::kStrategyIndex);
  if (found.status().code() == StatusCode::not_found) return no_description(run_path);
  SB_RETURN_IF_ERROR(found.status());
  return CheckedIndex{.description = std::move(found->description), .bytes = std::move(found->bytes)};
}

Result<std::unique_ptr<RunReader>> RunReader::open(FileSystem& files, const std::string& run_path) {
  std::unique_ptr<RunReader> run(new RunReader(files, run_path));
  SB_ASSIGN_OR_RETURN(CheckedIndex index, read_checked_index(files, run_path));
  run->description_ = std::move(index.description);
  SB_ASSIGN_OR_RETURN(run->traces_, traces_of(files, run_path, run->description_));
  SB_ASSIGN_OR_RETURN(run->rows_, decode_index(index.bytes, join_path(run_path, file::kStrategyIndex)));
  return run;
}

Result<std::vector<const IndexRow*>> RunReader::find(std::string_view name) const {
  std::vector<const IndexRow*> found;
  for (const IndexRow& row : rows_) {
    const bool alias = std::find(row.aliases.begin(), row.aliases.end(), name) != row.aliases.end();
    if (row.strategy_id == name || alias) found.push_back(&row);
  }
  if (!found.empty()) return found;

  std::set<std::string> candidates;
  if (is_hash_prefix(name)) {
    for (const IndexRow& row : rows_) {
      const std::string digest = to_hex(row.strategy_digest);
      if (!digest.starts_with(name)) continue;
      found.push_back(&row);
      candidates.insert(digest);
    }
  }
  if (candidates.size() > 1) {
    std::string message = fmt::format("{} fits {} strategies; give more digits:", name, candidates.size());
    const std::vector<std::string> digests(candidates.begin(), candidates.end());
    const size_t digits = digits_to_tell_apart(digests, kCollisionDigits);
    for (const std::string& digest : digests) message += " " + digest.substr(0, digits);
    return Status::invalid(message);
  }
  if (found.empty()) {
    return Status::not_found(fmt::format(
        "no strategy {} in {}; give a strategy_id or 4 or more digits of a strategy_hash", name, run_path_));
  }
  return found;
}

Result<std::vector<ComponentRow>> RunReader::read_components() const {
  if (find_run_file(description_, file::kStrategyComponents) == nullptr) return std::vector<ComponentRow>();
  SB_ASSIGN_OR_RETURN(const DescribedFile found, read_described_file(files_, run_path_, file::kStrategyComponents));
  return decode_components(found.bytes, join_path(run_path_, file::kStrategyComponents));
}

}  // namespace signalbook
