#include <fmt/format.h>

#include "format/json_value.h"
#include "journal/journal_frame.h"

namespace signalbook {

namespace {

constexpr int64_t kJournalVersion = 1;

JsonValue optional_text(const std::optional<std::string>& text) { return text ? JsonValue(*text) : JsonValue(); }

const char* name_of(MissingSignal missing) {
  switch (missing) {
    case MissingSignal::flat:
      return "flat";
    case MissingSignal::hold:
      return "hold";
    case MissingSignal::refuse:
      break;
  }
  return "refuse";
}

const char* name_of(RunLayout layout) {
  switch (layout) {
    case RunLayout::files:
      return "files";
    case RunLayout::packed:
      return "packed";
    case RunLayout::packed_full:
      return "packed_full";
    case RunLayout::automatic:
      break;
  }
  return "auto";
}

bool read_member(const JsonValue& json, const char* name, int64_t* number) {
  const JsonValue* value = json.find(name);
  if (value == nullptr || value->integer() == nullptr) return false;
  *number = *value->integer();
  return true;
}

bool read_member(const JsonValue& json, const char* name, std::string* text) {
  const JsonValue* value = json.find(name);
  if (value == nullptr || value->text() == nullptr) return false;
  *text = *value->text();
  return true;
}

bool read_member(const JsonValue& json, const char* name, std::optional<std::string>* text) {
  const JsonValue* value = json.find(name);
  if (value == nullptr || !value->is_null()) return read_member(json, name, &text->emplace());
  text->reset();
  return true;
}

bool read_member(const JsonValue& json, const char* name, int* number) {
  int64_t wide = 0;
  if (!read_member(json, name, &wide) || wide != static_cast<int>(wide)) return false;
  *number = static_cast<int>(wide);
  return true;
}

bool read_member(const JsonValue& json, const char* name, MissingSignal* missing) {
  std::string text;
  if (!read_member(json, name, &text)) return false;
  for (const MissingSignal candidate : {MissingSignal::refuse, MissingSignal::flat, MissingSignal::hold}) {
    if (text != name_of(candidate)) continue;
    *missing = candidate;
    return true;
  }
  return false;
}

// Not there where it is to be chosen, nor in journals of an earlier version.
bool read_member(const JsonValue& json, const char* name, RunLayout* layout) {
  if (json.find(name) == nullptr) return true;
  std::string text;
  if (!read_member(json, name, &text)) return false;
  for (const RunLayout known : {RunLayout::automatic, RunLayout::files, RunLayout::packed, RunLayout::packed_full}) {
    if (text != name_of(known)) continue;
    *layout = known;
    return true;
  }
  return false;
}

bool read_member(const JsonValue& json, const char* name, std::vector<std::pair<std::string, std::string>>* tags) {
  const JsonValue* value = json.find(name);
  if (value == nullptr || value->object() == nullptr) return false;
  for (const auto& [key, text] : *value->object()) {
    if (text.text() == nullptr) return false;
    tags->emplace_back(key, *text.text());
  }
  return true;
}

}  // namespace

std::string encode_journal_header(const JournalHeader& header) {
  JsonValue json(JsonValue::Object{});
  JsonValue tags(JsonValue::Object{});
  for (const auto& [key, value] : header.tags) tags.set(key, JsonValue(value));
  json.set("journal_version", JsonValue(kJournalVersion));
  json.set("writer", JsonValue(header.writer));
  json.set("segment", JsonValue(int64_t{header.segment}));
  json.set("continues_at", JsonValue(header.continues_at));
  json.set("created_at", JsonValue(header.created_at));
  json.set("code_version", optional_text(header.code_version));
  json.set("note", optional_text(header.note));
  json.set("tags", std::move(tags));
  json.set("missing", JsonValue(name_of(header.missing)));
  if (header.layout != RunLayout::automatic) json.set("layout", JsonValue(name_of(header.layout)));
  std::string text = to_json(json);
  text.append(-text.size() % kFrameStep, ' ');
  return text;
}

Result<JournalHeader> decode_journal_header(std::string_view payload) {
  const Result<JsonValue> json = parse_json(payload);
  if (!json.ok()) return Status::damaged("the header is no JSON: " + json.status().message());
  int64_t version = 0;
  if (!read_member(*json, "journal_version", &version)) {
    return Status::damaged("the header has no 'journal_version'");
  }
  if (version > kJournalVersion) {
    return Status::invalid(
        fmt::format("written in journal version {}, this program reads up to {}; take a newer "
                    "Signalbook",
                    version, kJournalVersion));
  }
  JournalHeader header;
  const char* bad = nullptr;
  const auto read = [&](const char* name, auto* member) {
    if (bad == nullptr && !read_member(*json, name, member)) bad = name;
  };
  read("writer", &header.writer);
  read("segment", &header.segment);
  read("continues_at", &header.continues_at);
  read("created_at", &header.created_at);
  read("code_version", &header.code_version);
  read("note", &header.note);
  read("tags", &header.tags);
  read("missing", &header.missing);
  read("layout", &header.layout);
  if (bad != nullptr) return Status::damaged(fmt::format("the header's '{}' is missing or of another type", bad));
  return header;
}

}  // namespace signalbook
