#include "query/catalog_manifest.h"

#include "format/json_value.h"

namespace signalbook {

namespace {

// 2: where traces lie in packs.
constexpr int64_t kManifestVersion = 2;

// ---- Writing --------------------------------------------------------------------------------------------------------

JsonValue stamp_json(const FileStamp& stamp) {
  JsonValue::Array parts;
  parts.emplace_back(stamp.size);
  parts.emplace_back(stamp.modified_ns);
  parts.emplace_back(static_cast<int64_t>(stamp.number));
  return JsonValue(std::move(parts));
}

JsonValue run_stamp_json(const RunStamp& stamp) {
  JsonValue::Array parts = {stamp_json(stamp.index)};
  for (const auto& file : {stamp.components, stamp.description}) {
    parts.push_back(file.has_value() ? stamp_json(*file) : JsonValue());
  }
  return JsonValue(std::move(parts));
}

JsonValue file_json(const CatalogManifest::File& file) {
  JsonValue::Array columns;
  for (const ViewColumn& column : file.columns) {
    columns.emplace_back(JsonValue::Array{JsonValue(column.name), JsonValue(column.type)});
  }
  return JsonValue(JsonValue::Object{{"name", JsonValue(file.name)},
                                     {"size", JsonValue(file.size)},
                                     {"sha256", JsonValue(file.sha256)},
                                     {"row_count", JsonValue(file.row_count)},
                                     {"columns", JsonValue(std::move(columns))}});
}

// ---- Reading: every function returns nothing where the text is not what it should be
// ----------------------------------

std::optional<std::string> read_text(const JsonValue& object, std::string_view key) {
  const JsonValue* value = object.find(key);
  return value == nullptr || value->text() == nullptr ? std::nullopt : std::optional(*value->text());
}

std::optional<int64_t> read_integer(const JsonValue* value) {
  return value == nullptr || value->integer() == nullptr ? std::nullopt : std::optional(*value->integer());
}

const JsonValue::Array* read_array(const JsonValue& object, std::string_view key) {
  const JsonValue* value = object.find(key);
  return value == nullptr ? nullptr : value->array();
}

const JsonValue::Object* read_object(const JsonValue& object, std::string_view key) {
  const JsonValue* value = object.find(key);
  return value == nullptr ? nullptr : value->object();
}

std::optional<FileStamp> read_stamp(const JsonValue& json) {
  const JsonValue::Array* parts = json.array();
  if (parts == nullptr || parts->size() != 3) return std::nullopt;
  const auto size = read_integer(&(*parts)[0]), modified = read_integer(&(*parts)[1]),
             number = read_integer(&(*parts)[2]);
  if (!size || !modified || !number) return std::nullopt;
  return FileStamp{.size = *size, .modified_ns = *modified, .number = static_cast<uint64_t>(*number)};
}

std::optional<RunStamp> read_run_stamp(const JsonValue& json) {
  const JsonValue::Array* parts = json.array();
  if (parts == nullptr || parts->size() != 3) return std::nullopt;
  const std::optional<FileStamp> index = read_stamp((*parts)[0]);
  if (!index) return std::nullopt;
  RunStamp stamp = {.index = *index, .components = read_stamp((*parts)[1]), .description = read_stamp((*parts)[2])};
  const bool is_broken =
      (!stamp.components && !(*parts)[1].is_null()) || (!stamp.description && !(*parts)[2].is_null());
  return is_broken ? std::nullopt : std::optional(stamp);
}

std::optional<CatalogManifest::File> read_file(const JsonValue* json) {
  if (json == nullptr || json->object() == nullptr) return std::nullopt;
  const auto name = read_text(*json, "name"), digest = read_text(*json, "sha256");
  const auto size = read_integer(json->find("size")), row_count = read_integer(json->find("row_count"));
  const JsonValue::Array* columns = read_array(*json, "columns");
  if (!name || !digest || !size || !row_count || columns == nullptr || name->find('/') != std::string::npos)
    return std::nullopt;
  CatalogManifest::File file = {
      .name = *name, .size = *size, .sha256 = *digest, .row_count = *row_count, .columns = {}};
  for (const JsonValue& column : *columns) {
    const JsonValue::Array* pair = column.array();
    if (pair == nullptr || pair->size() != 2 || !(*pair)[0].text() || !(*pair)[1].text()) return std::nullopt;
    file.columns.push_back({.name = *(*pair)[0].text(), .type = *(*pair)[1].text()});
  }
  return file;
}

std::optional<CatalogManifest::Segment> read_segment(const JsonValue& json) {
  if (json.object() == nullptr) return std::nullopt;
  auto strategies = read_file(json.find("strategies")), components = read_file(json.find("components"));
  const JsonValue::Object* runs = read_object(json, "runs");
  const JsonValue::Array* gone = read_array(json, "gone");
  if (!strategies || !components || runs == nullptr || gone == nullptr) return std::nullopt;
  CatalogManifest::Segment segment = {
      .strategies = std::move(*strategies), .components = std::move(*components), .runs = {}, .gone = {}};
  for (const auto& [run_id, stamp_value] : *runs) {
    const std::optional<RunStamp> stamp = read_run_stamp(stamp_value);
    if (!stamp) return std::nullopt;
    segment.runs.emplace(run_id, *stamp);
  }
  for (const JsonValue& run_id : *gone) {
    if (run_id.text() == nullptr) return std::nullopt;
    segment.gone.insert(*run_id.text());
  }
  return segment;
}

}  // namespace

std::vector<CatalogManifest::File> files_of(const CatalogManifest& manifest) {
  std::vector<CatalogManifest::File> files;
  for (const CatalogManifest::Segment& segment : manifest.segments) {
    files.push_back(segment.strategies);
    files.push_back(segment.components);
  }
  for (const auto& file : {manifest.history, manifest.history_changes}) {
    if (file.has_value()) files.push_back(*file);
  }
  return files;
}

std::string encode_manifest(const CatalogManifest& manifest) {
  JsonValue::Array segments;
  for (const CatalogManifest::Segment& segment : manifest.segments) {
    JsonValue::Object runs;
    for (const auto& [run_id, stamp] : segment.runs) runs.emplace_back(run_id, run_stamp_json(stamp));
    JsonValue::Array gone;
    for (const std::string& run_id : segment.gone) gone.emplace_back(run_id);
    segments.emplace_back(JsonValue::Object{{"strategies", file_json(segment.strategies)},
                                            {"components", file_json(segment.components)},
                                            {"runs", JsonValue(std::move(runs))},
                                            {"gone", JsonValue(std::move(gone))}});
  }
  JsonValue::Object left_out;
  for (const auto& [run_id, run] : manifest.left_out) {
    left_out.emplace_back(
        run_id, JsonValue(JsonValue::Object{{"stamp", run_stamp_json(run.stamp)}, {"why", JsonValue(run.why)}}));
  }
  JsonValue::Object root = {{"format_version", JsonValue(kManifestVersion)},
                            {"generation", JsonValue(manifest.generation)},
                            {"segments", JsonValue(std::move(segments))},
                            {"left_out", JsonValue(std::move(left_out))}};
  if (manifest.history) root.emplace_back("history", file_json(*manifest.history));
  if (manifest.history_changes) root.emplace_back("history_changes", file_json(*manifest.history_changes));
  return to_json(JsonValue(std::move(root))) + "\n";
}

std::optional<CatalogManifest> decode_manifest(std::string_view text) {
  const Result<JsonValue> json = parse_json(text);
  if (!json.ok() || json->object() == nullptr) return std::nullopt;
  const std::optional<int64_t> generation = read_integer(json->find("generation"));
  const JsonValue::Array* segments = read_array(*json, "segments");
  const JsonValue::Object* left_out = read_object(*json, "left_out");
  if (read_integer(json->find("format_version")) != kManifestVersion || !generation || segments == nullptr ||
      left_out == nullptr) {
    return std::nullopt;
  }
  CatalogManifest manifest;
  manifest.generation = *generation;
  for (const JsonValue& segment : *segments) {
    std::optional<CatalogManifest::Segment> read = read_segment(segment);
    if (!read) return std::nullopt;
    manifest.segments.push_back(std::move(*read));
  }
  for (const auto& [run_id, run] : *left_out) {
    const JsonValue* stamp_value = run.find("stamp");
    const std::optional<RunStamp> stamp = stamp_value == nullptr ? std::nullopt : read_run_stamp(*stamp_value);
    const std::optional<std::string> why = read_text(run, "why");
    if (!stamp || !why) return std::nullopt;
    manifest.left_out.emplace(run_id, CatalogManifest::LeftOut{.stamp = *stamp, .why = *why});
  }
  for (const auto& [key, target] :
       {std::pair("history", &manifest.history), std::pair("history_changes", &manifest.history_changes)}) {
    const JsonValue* value = json->find(key);
    if (value == nullptr) continue;
    *target = read_file(value);
    if (!target->has_value()) return std::nullopt;
  }
  return manifest;
}

}  // namespace signalbook
