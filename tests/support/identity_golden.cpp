#include "support/identity_golden.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace signalbook::test {

namespace {

JsonValue read_json(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  auto value = parse_json(text.str());
  if (!file || !value.ok()) throw std::runtime_error(path.string() + ": " + value.status().message());
  return std::move(value).value();
}

const JsonValue& member(const JsonValue& row, std::string_view key) {
  const JsonValue* value = row.find(key);
  if (value == nullptr) throw std::runtime_error("no member " + std::string(key) + " in " + to_json(row));
  return *value;
}

std::vector<int64_t> integers_of(const JsonValue& row, std::string_view key) {
  std::vector<int64_t> column;
  for (const JsonValue& item : *member(row, key).array()) column.push_back(*item.integer());
  return column;
}

// Prices in vectors.json are written as integers here and there.
std::vector<double> reals_of(const JsonValue& row, std::string_view key) {
  std::vector<double> column;
  for (const JsonValue& item : *member(row, key).array()) {
    column.push_back(item.real() ? *item.real() : static_cast<double>(*item.integer()));
  }
  return column;
}

}  // namespace

JsonValue read_golden(const std::string& name) {
  return read_json(std::filesystem::path(SIGNALBOOK_SOURCE_DIR) / "tests/golden/identity" / name);
}

std::optional<JsonValue> read_reference_vectors() {
  const char* folder = std::getenv("SIGNALBOOK_TEST_DATA");
  const auto data = folder ? std::filesystem::path(folder) : std::filesystem::path(SIGNALBOOK_SOURCE_DIR) / "../shared";
  const auto path = data / "reference/vectors.json";
  if (!std::filesystem::exists(path)) return std::nullopt;
  return read_json(path);
}

std::string text_of(const JsonValue& row, std::string_view key) { return *member(row, key).text(); }

int64_t integer_of(const JsonValue& row, std::string_view key) { return *member(row, key).integer(); }

SignalChanges changes_of(const JsonValue& row) {
  SignalChanges changes{.idx = integers_of(row, "idx")};
  const JsonValue::Array& values = *member(row, "val").array();
  if (!values.empty() && values[0].text()) {
    changes.kind = SignalKind::label;
    for (const JsonValue& label : values) changes.labels.push_back(*label.text());
  } else {
    changes.values = reals_of(row, "val");
  }
  return changes;
}

Bars bars_of(const JsonValue& row) {
  Bars bars{.symbol = text_of(row, "symbol"), .timeframe = text_of(row, "timeframe"), .ts = integers_of(row, "ts")};
  bars.open = reals_of(row, "open");
  bars.high = reals_of(row, "high");
  bars.low = reals_of(row, "low");
  bars.close = reals_of(row, "close");
  if (!member(row, "volume").is_null()) bars.volume = reals_of(row, "volume");
  return bars;
}

}  // namespace signalbook::test
