#include "store/trace_row.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/digest.h"
#include "format/content_hash.h"
#include "format/trace_schema.h"
#include "store/parse_time.h"
#include "store/strategy_row.h"
#include "store/table_file.h"
#include "store/trace_file.h"

namespace signalbook {

namespace {

constexpr std::string_view kTraceSuffix = ".parquet";

Status list_traces_below(FileSystem& files, const std::string& run_path, const std::string& directory,
                         std::vector<std::string>& paths) {
  const Result<std::vector<DirectoryEntry>> entries = files.list_directory(join_path(run_path, directory));
  if (!entries.ok()) return entries.status().code() == StatusCode::not_found ? Status() : entries.status();
  for (const DirectoryEntry& entry : *entries) {
    const std::string path = join_path(directory, entry.name);
    if (entry.is_directory && !entry.is_link) {
      SB_RETURN_IF_ERROR(list_traces_below(files, run_path, path, paths));
    } else if (!entry.is_directory && entry.name.ends_with(kTraceSuffix)) {
      paths.push_back(path);
    }
  }
  return Status();
}

// The footer's metadata, which no checksum covers, against the columns, whose pages have one.
Status compare_with_columns(std::string_view bytes, const std::string& path, const TraceDescription& about) {
  SB_ASSIGN_OR_RETURN(
      const Table table,
      decode_table_file(bytes, path, {column::kSymbol, column::kStrategy, column::kStrategyHash, column::kMetadata}));
  const std::pair<const char*, const std::string*> expected[] = {{column::kSymbol, &about.symbol},
                                                                 {column::kStrategy, &about.strategy_id},
                                                                 {column::kStrategyHash, &about.strategy_hash},
                                                                 {column::kMetadata, &about.strategy_config}};
  for (const auto& [name, text] : expected) {
    const TableColumn* const values = table.find(name);
    if (table.row_count() == 0) return Status();
    if (values == nullptr || values->type != ColumnType::text || values->is_null(0) || values->texts.front() != *text) {
      return Status::damaged(fmt::format("column '{}' is not what the file's metadata says", name));
    }
  }
  return Status();
}

Result<IndexRow> make_row(const std::string& bytes, const std::string& trace_path) {
  SB_ASSIGN_OR_RETURN(const Trace trace, decode_trace_file(bytes, trace_path));
  const TraceDescription& about = trace.about;
  const auto damaged = [&](std::string_view what) { return Status::damaged(fmt::format("{}: {}", trace_path, what)); };
  if (about.strategy_id.empty() || about.symbol.empty() || about.timeframe.empty() || about.data_id.empty() ||
      about.trace_hash.empty() || about.strategy_digest.empty() || !about.bar_count) {
    return damaged("the file does not say all that an index needs; an older version wrote it, or it is damaged");
  }
  if (const Status status = compare_with_columns(bytes, trace_path, about); !status.ok()) return status.at(trace_path);
  IndexRow row;
  row.strategy_config = about.strategy_config;
  if (const Status status = derive_strategy(row).status(); !status.ok()) {
    return damaged("strategy_config: " + status.message());
  }
  if (to_hex(row.strategy_digest) != about.strategy_digest || row.strategy_hash() != about.strategy_hash) {
    return damaged("the configuration does not have the strategy_digest of the file");
  }
  const bool reaches_past_end = !trace.changes.idx.empty() && trace.changes.idx.back() >= *about.bar_count;
  if (reaches_past_end || to_hex(trace_hash(trace.changes, *about.bar_count)) != about.trace_hash) {
    return damaged("the changes do not have the trace_hash of the file");
  }
  // Files without times are older ones; in one of ours the column's name is damaged.
  if (trace.ts.size() != trace.changes.size()) return damaged("column 'ts' is missing");
  bool zone_given = false;
  const Result<int64_t> created_at = parse_time(about.creation_time, &zone_given);
  if (!created_at.ok()) return damaged("creation_time: " + created_at.status().message());

  row.strategy_id = about.strategy_id;
  row.symbol = about.symbol;
  row.timeframe = about.timeframe;
  row.kind = trace.changes.kind;
  row.trace_path = trace_path;
  row.trace_hash = trace_hash(trace.changes, *about.bar_count);
  row.data_id = about.data_id;
  row.bar_count = *about.bar_count;
  row.change_count = static_cast<int64_t>(trace.changes.size());
  if (row.change_count > 0) {
    row.observed_from = trace.changes.idx.front();
    row.observed_to = row.bar_count - 1;
    row.first_ts = trace.ts.front();
    row.last_ts = trace.ts.back();
  }
  row.file_size = static_cast<int64_t>(bytes.size());
  row.file_sha256 = sha256(bytes);
  row.created_at = *created_at;
  return row;
}

}  // namespace

Result<std::vector<std::string>> list_trace_files(FileSystem& files, const std::string& run_path) {
  std::vector<std::string> paths;
  SB_RETURN_IF_ERROR(list_traces_below(files, run_path, file::kTracesDirectory, paths));
  std::ranges::sort(paths);
  return paths;
}

Result<IndexRow> read_index_row(FileSystem& files, const std::string& run_path, const std::string& trace_path) {
  SB_ASSIGN_OR_RETURN(const std::string bytes, files.read_file(join_path(run_path, trace_path)));
  return make_row(bytes, trace_path);
}

}  // namespace signalbook
