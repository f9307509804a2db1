#include "store/run_description.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/time_text.h"
#include "format/trace_schema.h"
#include "store/parse_time.h"
#include "store/sealed_json.h"

namespace signalbook {

namespace {

constexpr const char* kFiles = "files";
constexpr const char* kCounts = "counts";
constexpr const char* kPrevious = "previous";

JsonValue optional_text(const std::optional<std::string>& text) { return text ? JsonValue(*text) : JsonValue(); }

// Reads members by name and keeps the first failure.
class Members {
 public:
  Members(const JsonValue& object, const std::string& place) : object_(object), place_(place) {}

  std::string text(const char* name) {
    const JsonValue* value = object_.find(name);
    if (value != nullptr && value->text() != nullptr) return *value->text();
    return fail(name), "";
  }
  std::optional<std::string> optional_text(const char* name) {
    const JsonValue* value = object_.find(name);
    if (value == nullptr || value->is_null()) return std::nullopt;
    return text(name);
  }
  int64_t integer(const char* name) {
    const JsonValue* value = object_.find(name);
    if (value != nullptr && value->integer() != nullptr) return *value->integer();
    return fail(name), 0;
  }
  std::optional<int64_t> optional_integer(const char* name) {
    const JsonValue* value = object_.find(name);
    if (value == nullptr || value->is_null()) return std::nullopt;
    return integer(name);
  }
  bool boolean(const char* name) {
    const JsonValue* value = object_.find(name);
    if (value != nullptr && value->boolean() != nullptr) return *value->boolean();
    return fail(name), false;
  }
  int64_t time(const char* name) {
    bool zone_given = false;
    const Result<int64_t> time = parse_time(text(name), &zone_given);
    if (time.ok()) return *time;
    return fail(name), 0;
  }
  const JsonValue::Array& array(const char* name) {
    static const JsonValue::Array kEmpty;
    const JsonValue* value = object_.find(name);
    if (value != nullptr && value->array() != nullptr) return *value->array();
    return fail(name), kEmpty;
  }
  const Status& status() const { return status_; }

 private:
  void fail(const char* name) {
    if (status_.ok()) status_ = Status::damaged(fmt::format("{}: '{}' is missing or of another type", place_, name));
  }

  const JsonValue& object_;
  std::string place_;
  Status status_;
};

void set_version(JsonValue& json, const RunDescription::FileVersion& version) {
  json.set("size", JsonValue(version.size));
  json.set("sha256", JsonValue(version.sha256));
}

// Onto what is there of it already.
void set_file(JsonValue& json, const RunDescription::File& file) {
  json.set("path", JsonValue(file.path));
  set_version(json, {.size = file.size, .sha256 = file.sha256});
  std::erase_if(*json.object(), [](const JsonValue::Member& member) { return member.first == kPrevious; });
  if (!file.previous) return;
  JsonValue previous{JsonValue::Object()};
  set_version(previous, *file.previous);
  json.set(kPrevious, std::move(previous));
}

void set_counts(JsonValue& json, const RunDescription& description) {
  json.set("strategies", JsonValue(description.strategy_count));
  json.set("traces", JsonValue(description.trace_count));
  json.set("changes", JsonValue(description.change_count));
}

}  // namespace

Status check_layout(const RunDescription& description, const std::string& run_path) {
  if (description.layout == layout::kFiles || description.layout == layout::kPacked) return Status();
  return Status::invalid(
      fmt::format("{}: layout '{}' is unknown to this program; take a newer Signalbook", run_path, description.layout));
}

JsonValue feeds_to_json(const std::vector<RunDescription::Feed>& feeds) {
  JsonValue::Array json;
  for (const RunDescription::Feed& feed : feeds) {
    JsonValue::Object members{{"symbol", JsonValue(feed.symbol)},
                              {"timeframe", JsonValue(feed.timeframe)},
                              {"data_id", JsonValue(feed.data_id)},
                              {"bar_count", JsonValue(feed.bar_count)},
                              {"first_ts", JsonValue(format_time(feed.first_ts))},
                              {"last_ts", JsonValue(format_time(feed.last_ts))}};
    if (feed.bars_size) members.emplace_back("bars_size", JsonValue(*feed.bars_size));
    if (feed.bars_sha256) members.emplace_back("bars_sha256", JsonValue(*feed.bars_sha256));
    json.emplace_back(std::move(members));
  }
  return JsonValue(std::move(json));
}

std::string encode_run_description(const RunDescription& description) {
  JsonValue::Object tags;
  for (const auto& [key, value] : description.tags) tags.emplace_back(key, JsonValue(value));
  JsonValue::Array files;
  for (const RunDescription::File& file : description.files) set_file(files.emplace_back(JsonValue::Object()), file);
  JsonValue counts{JsonValue::Object()};
  set_counts(counts, description);
  JsonValue::Array writers;
  for (const RunDescription::Writer& writer : description.writers) {
    writers.emplace_back(JsonValue::Object{{"name", JsonValue(writer.name)},
                                           {"position", JsonValue(writer.position)},
                                           {"ended", JsonValue(writer.ended)}});
  }
  return seal_json({
      {"format_version", JsonValue(int64_t{kFormatVersion})},
      {"run_id", JsonValue(description.run_id)},
      {"created_at", JsonValue(format_time(description.created_at))},
      {"feeds", feeds_to_json(description.feeds)},
      {"code_version", optional_text(description.code_version)},
      {"tags", JsonValue(std::move(tags))},
      {"note", optional_text(description.note)},
      {"writers", JsonValue(std::move(writers))},
      {"layout", JsonValue(description.layout)},
      {kCounts, std::move(counts)},
      {kFiles, JsonValue(std::move(files))},
  });
}

Result<std::string> change_run_files(std::string_view text, const RunDescription& description) {
  SB_ASSIGN_OR_RETURN(JsonValue json, parse_json(text));
  const JsonValue* const list = json.find(kFiles);
  if (list == nullptr || list->array() == nullptr) return Status::damaged("'files' is missing or of another type");
  JsonValue::Array files;
  for (const RunDescription::File& file : description.files) {
    const auto is_it = [&](const JsonValue& old) {
      const JsonValue* const path = old.find("path");
      return path != nullptr && path->text() != nullptr && *path->text() == file.path;
    };
    const auto old = std::ranges::find_if(*list->array(), is_it);
    set_file(files.emplace_back(old == list->array()->end() ? JsonValue(JsonValue::Object()) : *old), file);
  }
  if (const JsonValue* const counts = json.find(kCounts); counts != nullptr && counts->object() != nullptr) {
    JsonValue changed = *counts;
    set_counts(changed, description);
    json.set(kCounts, std::move(changed));
  }
  json.set(kFiles, JsonValue(std::move(files)));
  json.set("layout", JsonValue(description.layout));
  return seal_json(std::move(*json.object()));
}

Result<RunDescription> decode_run_description(std::string_view text, const std::string& file_name) {
  const Result<JsonValue> json = parse_json(text);
  if (!json.ok()) return Status::damaged(file_name + ": " + json.status().message());
  const Seal seal = check_seal(*json, text);
  if (seal == Seal::wrong) {
    return Status::damaged(file_name + ": its own SHA-256 does not agree; restore it from a copy");
  }
  Members members(*json, file_name);
  if (const int64_t version = members.integer("format_version"); version > kFormatVersion) {
    return Status::invalid(fmt::format("{}: written in format {}, this program reads up to {}; take a newer Signalbook",
                                       file_name, version, kFormatVersion));
  }
  RunDescription description;
  description.is_sealed = seal == Seal::good;
  description.run_id = members.text("run_id");
  description.created_at = members.time("created_at");
  description.code_version = members.optional_text("code_version");
  description.note = members.optional_text("note");
  description.layout = members.text("layout");
  for (const JsonValue& value : members.array("feeds")) {
    Members feed(value, file_name + ": feeds");
    description.feeds.push_back({.symbol = feed.text("symbol"),
                                 .timeframe = feed.text("timeframe"),
                                 .data_id = feed.text("data_id"),
                                 .bar_count = feed.integer("bar_count"),
                                 .first_ts = feed.time("first_ts"),
                                 .last_ts = feed.time("last_ts"),
                                 .bars_size = feed.optional_integer("bars_size"),
                                 .bars_sha256 = feed.optional_text("bars_sha256")});
    SB_RETURN_IF_ERROR(feed.status());
  }
  if (json->find("writers") != nullptr) {  // runs of earlier versions and of others have none
    for (const JsonValue& value : members.array("writers")) {
      Members writer(value, file_name + ": writers");
      description.writers.push_back(
          {.name = writer.text("name"), .position = writer.integer("position"), .ended = writer.boolean("ended")});
      SB_RETURN_IF_ERROR(writer.status());
    }
  }
  if (const JsonValue* tags = json->find("tags"); tags != nullptr && tags->object() != nullptr) {
    for (const auto& [key, value] : *tags->object()) {
      if (value.text() != nullptr) description.tags.emplace_back(key, *value.text());
    }
  }
  if (const JsonValue* counts = json->find(kCounts)) {
    Members members_of_counts(*counts, file_name + ": counts");
    description.strategy_count = members_of_counts.integer("strategies");
    description.trace_count = members_of_counts.integer("traces");
    description.change_count = members_of_counts.integer("changes");
    SB_RETURN_IF_ERROR(members_of_counts.status());
  }
  for (const JsonValue& value : members.array(kFiles)) {
    const std::string place = file_name + ": files";
    Members file(value, place);
    description.files.push_back(
        {.path = file.text("path"), .size = file.integer("size"), .sha256 = file.text("sha256")});
    SB_RETURN_IF_ERROR(file.status());
    const JsonValue* const before = value.find(kPrevious);
    if (before == nullptr || before->is_null()) continue;
    Members previous(*before, place);
    description.files.back().previous = {.size = previous.integer("size"), .sha256 = previous.text("sha256")};
    SB_RETURN_IF_ERROR(previous.status());
  }
  SB_RETURN_IF_ERROR(members.status());
  return description;
}

}  // namespace signalbook
