#include "query/trace_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "base/ascii.h"
#include "format/trace_schema.h"
#include "query/sql_text.h"
#include "query/sql_views.h"

namespace signalbook {

namespace {

constexpr const char* kOrdinal = "signalbook_ordinal";
// The order of rows that come from several places: of the file among those that are asked for, and in it.
constexpr const char* kOrder = "signalbook_place, signalbook_row";
constexpr const char* kLabel = "label";

std::string quoted_list(const std::vector<std::string>& texts) { return "[" + quoted_sql_list(texts) + "]"; }

bool is_same_name(const std::string& a, const std::string& b) { return to_lower_ascii(a) == to_lower_ascii(b); }

}  // namespace

// A file that a row names.
struct TraceReader::TraceFile {
  size_t row = 0;
  std::string shown;  // the path as the query names it
  std::string path;   // absolute
  bool is_known = false;
  bool is_label = false;  // val is text
  // Of one that lies in a pack.
  std::string run_id;
  std::optional<PackedTraces::Found> packed = std::nullopt;
  size_t place = 0;  // among all that are asked for
};

Result<std::shared_ptr<const TraceReader>> TraceReader::open(
    FileSystem& files, QueryPaths paths, std::shared_ptr<const PackedTraces> packed, const std::string& store_path,
    const std::vector<RunLocation>& runs, const IndexFile& index_file, std::map<std::string, Status> left_out,
    Connection& connection) {
  auto reader = std::shared_ptr<TraceReader>(
      new TraceReader(files, std::move(paths), std::move(packed), store_path, std::move(left_out)));
  SB_RETURN_IF_ERROR(reader->find_columns(runs, index_file, connection));
  return std::shared_ptr<const TraceReader>(std::move(reader));
}

Status TraceReader::find_columns(const std::vector<RunLocation>& runs, const IndexFile& index_file,
                                 Connection& connection) {
  for (const ViewColumn& column : trace_columns()) columns_.push_back({column.name, column.type});
  std::vector<std::string> indexes, others;
  for (const RunLocation& run : runs) {
    const std::string directory = join_path(store_path_, run.run_id);
    SB_ASSIGN_OR_RETURN(const bool is_known, files_.file_exists(join_path(directory, file::kRunDescription)));
    if (is_known) {
      known_runs_.insert(run.run_id);
      indexes.push_back(escape_glob(index_file(run.run_id)));
      continue;
    }
    const std::string pattern = join_path(escape_glob(join_path(directory, file::kTracesDirectory)), "**/*.parquet");
    SB_ASSIGN_OR_RETURN(const TextRows found,
                        connection.fetch("SELECT file FROM glob(" + quote_sql_text(pattern) + ") LIMIT 1"));
    if (!found.empty()) others.push_back(pattern);
  }
  if (!indexes.empty()) {
    SB_ASSIGN_OR_RETURN(const TextRows found,
                        connection.fetch("SELECT kind FROM read_parquet(" + quoted_list(indexes) +
                                         ", hive_partitioning = false) WHERE kind = 'classifier' LIMIT 1"));
    has_label_ = !found.empty();
  }
  std::vector<RowReader::Column> further;
  if (!others.empty()) {
    SB_ASSIGN_OR_RETURN(const TextRows described,
                        connection.fetch("SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM read_parquet(" +
                                         quoted_list(others) + ", hive_partitioning = false, union_by_name = true))"));
    for (const std::vector<std::string>& column : described) {
      const auto is_this = [&](const RowReader::Column& known) { return is_same_name(known.name, column[0]); };
      if (is_same_name(column[0], column::kValue)) has_label_ = has_label_ || column[1] == "VARCHAR";
      if (std::ranges::none_of(columns_, is_this)) further.push_back({column[0], column[1]});
    }
  }
  if (has_label_) {
    std::erase_if(further, [](const RowReader::Column& column) { return is_same_name(column.name, kLabel); });
    columns_.push_back({kLabel, "VARCHAR"});
  }
  columns_.insert(columns_.end(), further.begin(), further.end());
  return Status();
}

std::set<std::string> TraceReader::unused_columns(const std::optional<std::set<std::string>>& words) const {
  std::set<std::string> unused;
  if (!words.has_value()) return unused;
  const auto is_ascii = [](const std::string& text) {
    return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  };
  for (const RowReader::Column& column : columns_) {
    // Of other letters DuckDB may know a case that we do not.
    if (is_ascii(column.name) && !words->contains(to_lower_ascii(column.name))) unused.insert(column.name);
  }
  return unused;
}

RowReader TraceReader::row_reader(std::shared_ptr<const TraceReader> reader, std::optional<std::string> filename_column,
                                  std::set<std::string> unused) {
  RowReader rows;
  rows.columns = reader->columns_;
  const bool with_filename = filename_column.has_value();
  if (with_filename) rows.columns.push_back({*filename_column, "VARCHAR"});
  Wanted wanted = {.filename = with_filename, .order = false, .unused = std::move(unused)};
  rows.select = [reader, wanted = std::move(wanted)](Connection& connection,
                                                     const std::vector<RowReader::Paths>& paths) {
    return reader->select(connection, paths, wanted);
  };
  rows.refuse = [reader](Connection& connection, const std::vector<RowReader::Paths>& paths,
                         const std::string& column) { return reader->refuse(connection, paths, column); };
  return rows;
}

// Ours say by their place what their values are; into others we look.
Result<std::vector<TraceReader::TraceFile>> TraceReader::find_files(Connection& connection,
                                                                    const std::vector<RowReader::Paths>& rows) const {
  std::vector<TraceFile> found;
  std::vector<std::string> others;
  for (size_t row = 0; row < rows.size(); ++row) {
    for (const std::string& path : rows[row]) {
      SB_ASSIGN_OR_RETURN(const QueryPaths::File file, paths_.find_file(path));
      if (const auto left_out = left_out_.find(file.run_id); left_out != left_out_.end()) {
        return Status::damaged(fmt::format("read_parquet('{}'): {} is left out, because it cannot be read: {}", path,
                                           file.run_id, left_out->second.message()));
      }
      const bool is_known = known_runs_.contains(file.run_id);
      const bool is_label = is_known && file.path.find("/classifiers/") != std::string::npos;
      if (!is_known) others.push_back(escape_glob(file.path));
      found.push_back({.row = row,
                       .shown = path,
                       .path = file.path,
                       .is_known = is_known,
                       .is_label = is_label,
                       .run_id = file.run_id,
                       .place = found.size()});
      if (file.trace_path.has_value()) {
        SB_ASSIGN_OR_RETURN(found.back().packed, packed_->find(file.run_id, *file.trace_path));
      }
    }
  }
  if (others.empty()) return found;
  SB_ASSIGN_OR_RETURN(const TextRows texts,
                      connection.fetch("SELECT DISTINCT file_name FROM parquet_schema(" + quoted_list(others) +
                                       ") WHERE lower(name) = 'val' AND type = 'BYTE_ARRAY'"));
  std::set<std::string> labelled;
  for (const std::vector<std::string>& row : texts) labelled.insert(row[0]);
  for (TraceFile& file : found) file.is_label = file.is_label || (!file.is_known && labelled.contains(file.path));
  return found;
}

// The rows of files of which either all have text in `val` or none. Columns that the files do not have are NULL, and
// those that we do not give come last. Of columns that nobody uses DuckDB reads nothing.
std::string TraceReader::part_select(const std::vector<TraceFile>& files, bool is_label, const Wanted& wanted) const {
  std::vector<std::string> paths, shown;
  std::string ordinals, places;
  for (const TraceFile& file : files) {
    paths.push_back(escape_glob(file.path));
    shown.push_back(file.shown);
    ordinals += (ordinals.empty() ? "[" : ", ") + std::to_string(file.row);
    places += (places.empty() ? "[" : ", ") + std::to_string(file.place);
  }
  std::string none = fmt::format("SELECT CAST(NULL AS BIGINT) AS {}", kOrdinal);
  std::string select, names = kOrdinal, more;
  for (const RowReader::Column& column : columns_) {
    const std::string name = quote_sql_name(column.name);
    const bool is_value = column.name == column::kValue;
    const std::string type = is_value && is_label ? "VARCHAR" : column.type;
    none += ", CAST(NULL AS " + type + ") AS " + name;
    names += ", " + name;
    std::string value = name;
    if (is_value && is_label) value = "NULL";
    if (column.name == kLabel && has_label_ && is_label) value = column::kValue;
    if (wanted.unused.contains(column.name)) value = "NULL";
    select += ", CAST(" + value + " AS " + column.type + ") AS " + name;
  }
  if (wanted.filename) {
    none += ", CAST(NULL AS VARCHAR) AS signalbook_filename";
    names += ", signalbook_filename";
    select += ", signalbook_filename";
    more = ", (" + quoted_list(shown) + ")[CAST(file_index AS BIGINT) + 1] AS signalbook_filename";
  }
  if (wanted.order) {
    none += ", CAST(NULL AS BIGINT) AS signalbook_place, CAST(NULL AS BIGINT) AS signalbook_row";
    names += std::string(", ") + kOrder;
    select += std::string(", ") + kOrder;
    more += fmt::format(
        ", ({}])[CAST(file_index AS BIGINT) + 1] AS signalbook_place, file_row_number AS signalbook_row", places);
  }
  // Whether a file has a column is known only when it is opened: the empty part brings those that are missing.
  return fmt::format(
      "SELECT {0}{1}, * EXCLUDE ({2}) FROM ({3} WHERE false UNION ALL BY NAME SELECT CAST(({4}])[CAST(file_index AS "
      "BIGINT) + 1] AS "
      "BIGINT) AS {0}{5}, * FROM read_parquet({6}, hive_partitioning = false, union_by_name = true))",
      kOrdinal, select, names, none, ordinals, more, quoted_list(paths));
}

// The same of traces in one pack, in the order that they are asked for.
std::string TraceReader::pack_select(const PackedRows& pack, const std::vector<TraceFile>& traces,
                                     const Wanted& wanted) const {
  const PackedColumns of_pack = packed_columns(store_path_, std::span(&pack, 1));
  const bool is_label = of_pack.kind == SignalKind::label;
  std::string select = fmt::format("CAST({0} AS BIGINT) AS {0}", kOrdinal);
  for (const RowReader::Column& column : columns_) {
    const auto known = of_pack.of.find(column.name);
    std::string value = known == of_pack.of.end() ? "NULL" : known->second;
    if (column.name == column::kValue && is_label) value = "NULL";
    if (column.name == kLabel && is_label) value = column::kValue;
    if (wanted.unused.contains(column.name)) value = "NULL";
    select += ", CAST(" + value + " AS " + column.type + ") AS " + quote_sql_name(column.name);
  }
  std::string places;
  for (const TraceFile& trace : traces) {
    places += fmt::format("{}({}, {}, {}{})", places.empty() ? "" : ", ", trace.packed->trace_id, trace.row,
                          trace.place, wanted.filename ? ", " + quote_sql_text(trace.shown) : std::string());
  }
  if (wanted.filename) select += ", signalbook_filename";
  if (wanted.order) select += std::string(", ") + kOrder;
  return fmt::format(
      "SELECT {0} FROM (SELECT *, file_row_number AS signalbook_row FROM {1}) JOIN (VALUES {2}) "
      "asked(signalbook_trace, "
      "{3}, signalbook_place{4}) ON trace_id = signalbook_trace ORDER BY {5}",
      select, of_pack.from, places, kOrdinal, wanted.filename ? ", signalbook_filename" : "", kOrder);
}

Result<RowReader::Select> TraceReader::select(Connection& connection, const std::vector<RowReader::Paths>& rows,
                                              Wanted wanted) const {
  SB_ASSIGN_OR_RETURN(const std::vector<TraceFile> files, find_files(connection, rows));
  using Part = std::tuple<bool, std::string, std::string>;  // whether val is text; the run and the pack in it
  std::map<Part, std::vector<TraceFile>> parts;
  std::map<size_t, Part> part_of;
  RowReader::Select select;
  for (const TraceFile& file : files) {
    if (file.is_label && !has_label_) {
      return Status::invalid(fmt::format(
          "read_parquet('{}'): its val is text, and the traces of this scope have numbers: name the indexes of all "
          "runs in the query, or ask from the store",
          file.shown));
    }
    const Part part = file.packed ? Part(file.is_label, file.run_id, file.packed->pack) : Part(file.is_label, "", "");
    parts[part].push_back(file);
    // A row that names several has its rows in all of them.
    const auto [place, is_new] = part_of.emplace(file.row, part);
    wanted.order = wanted.order || place->second != part;
    select.row_counts.resize(rows.size(), 0);
    int64_t& count = select.row_counts[file.row];
    count = file.packed && count >= 0 ? count + file.packed->row_count : -1;
  }
  for (const auto& [part, of_part] : parts) {
    const auto& [is_label, run_id, pack] = part;
    select.sql += select.sql.empty() ? "(" : " UNION ALL BY NAME (";
    if (pack.empty()) {
      select.sql += part_select(of_part, is_label, wanted) + ")";
      continue;
    }
    SB_ASSIGN_OR_RETURN(OpenedPack opened, packed_->opened(run_id, pack));
    select.sql += pack_select({.pack = std::move(opened), .ranges = {}}, of_part, wanted) + ")";
  }
  if (wanted.order) select.sql = fmt::format("SELECT * EXCLUDE ({0}) FROM ({1}) ORDER BY {0}", kOrder, select.sql);
  return select;
}

Status TraceReader::refuse(Connection& connection, const std::vector<RowReader::Paths>& rows,
                           const std::string& column) const {
  SB_ASSIGN_OR_RETURN(const std::vector<TraceFile> files, find_files(connection, rows));
  std::vector<std::string> paths;
  for (const TraceFile& file : files) {
    if (!file.packed) paths.push_back(escape_glob(file.path));
  }
  SB_ASSIGN_OR_RETURN(const TextRows found,
                      connection.fetch("SELECT file_name FROM parquet_schema(" + quoted_list(paths) +
                                           ") WHERE lower(name) = lower(CAST(? AS VARCHAR)) ORDER BY 1 LIMIT 1",
                                       &column));
  std::string shown = "?";
  for (const TraceFile& file : files) {
    if (!found.empty() && file.path == found[0][0]) shown = file.shown;
  }
  std::string names;
  for (const RowReader::Column& known : columns_) names += (names.empty() ? "" : ", ") + known.name;
  return Status::invalid(fmt::format(
      "read_parquet('{}'): it has a column '{}', and read_parquet(<column>) gives those of the traces: {}; read this "
      "file by its name in quotes",
      shown, column, names));
}

}  // namespace signalbook
