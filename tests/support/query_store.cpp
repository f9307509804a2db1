#include "support/query_store.h"

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>
#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "cli/output.h"
#include "query/arrow_c_stream.h"
#include "store/run_description.h"

namespace signalbook::test {

namespace {

std::shared_ptr<arrow::DataType> arrow_type(const std::string& name) {
  if (name == "double") return arrow::float64();
  if (name == "int") return arrow::int64();
  if (name == "int32") return arrow::int32();
  if (name == "bool") return arrow::boolean();
  if (name == "text") return arrow::utf8();
  if (name == "bytes") return arrow::binary();
  if (name == "time") return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  if (name == "null") return arrow::null();
  if (name == "texts") return arrow::list(arrow::utf8());
  throw std::invalid_argument("no type " + name);
}

void expect_ok(const arrow::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

// ["a0","a1"] for "a" and 2.
std::string numbered(const std::string& text, size_t count) {
  std::string json = "[";
  for (size_t i = 0; i < count; ++i) json += (i == 0 ? "\"" : ",\"") + text + std::to_string(i) + "\"";
  return json + "]";
}

}  // namespace

TemporaryDirectory::TemporaryDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "signalbook-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void write_parquet(const std::string& path, const std::vector<Column>& columns) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::vector<std::shared_ptr<arrow::Field>> fields;
  std::vector<std::shared_ptr<arrow::Array>> arrays;
  for (const Column& column : columns) {
    fields.push_back(arrow::field(column.name, arrow_type(column.type)));
    arrays.push_back(arrow::json::ArrayFromJSONString(fields.back()->type(), column.values).ValueOrDie());
  }
  const auto table = arrow::Table::Make(arrow::schema(fields), arrays);
  const auto file = arrow::io::FileOutputStream::Open(path).ValueOrDie();
  expect_ok(parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), file));
  expect_ok(file->Close());
}

void write_text(const std::string& path, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

QueryStore::QueryStore(const std::string& name) : path_(directory_.path() + "/" + name) {
  write_text(path_ + "/.signalbook/store.json", R"({"format_version":1})");
}

void QueryStore::add_index(const std::string& run_id, size_t row_count, std::vector<Column> columns) {
  columns.insert(columns.begin(), {{"strategy_id", "text", numbered("strategy_", row_count)},
                                   {"strategy_hash", "text", numbered("hash", row_count)},
                                   {"trace_path", "text", numbered("traces/SPY_5m/signals/ma/SPY_5m_ma_", row_count)}});
  write_parquet(run_path(run_id) + "/strategy_index.parquet", columns);
}

void QueryStore::add_description(const std::string& run_id, const std::vector<std::string>& data_ids) {
  RunDescription description;
  description.run_id = run_id;
  description.created_at = 1'735'043'696'000'000;
  description.code_version = "v1.2";
  description.tags = {{"who", "it's me"}, {"n", "3"}};
  description.strategy_count = 2;
  description.trace_count = 2;
  description.change_count = 40;
  for (const std::string& data_id : data_ids) {
    description.feeds.push_back({.symbol = "SPY",
                                 .timeframe = "5m",
                                 .data_id = data_id,
                                 .bar_count = 100,
                                 .first_ts = 1'704'067'200'000'000,
                                 .last_ts = 1'704'096'900'000'000});
  }
  write_text(run_path(run_id) + "/run.json", encode_run_description(description));
}

void QueryStore::add_trace(const std::string& run_id, const std::string& kind, const std::string& name) {
  const bool is_text = kind == "classifiers";
  write_parquet(run_path(run_id) + "/traces/SPY_5m/" + kind + "/ma/" + name + ".parquet",
                {{"idx", "int", "[0, 45]"},
                 {"ts", "time", "[1704067200000000, 1704080700000000]"},
                 {"sym", "text", R"(["SPY", "SPY"])"},
                 {"val", is_text ? "text" : "double", is_text ? R"(["calm", "wild"])" : "[1, -0.5]"},
                 {"strat", "text", R"(["strategy_0", "strategy_0"])"},
                 {"px", "double", "[470.5, 471.25]"},
                 {"strategy_hash", "text", "[\"" + name + "\", \"" + name + "\"]"},
                 {"metadata", "text", R"(["{\"ma\":{}}", null])"}});
}

void QueryStore::add_bars(const std::string& data_id, size_t bar_count) {
  std::string numbers = "[", times = "[", texts = "[";
  for (size_t i = 0; i < bar_count; ++i) {
    const std::string comma = i == 0 ? "" : ",";
    numbers += comma + std::to_string(i);
    times += comma + std::to_string(1'704'067'200'000'000 + static_cast<int64_t>(i) * 300'000'000);
    texts += comma + "\"" + data_id + "\"";
  }
  write_parquet(path_ + "/bars/" + data_id + ".parquet", {{"data_id", "text", texts + "]"},
                                                          {"symbol", "text", texts + "]"},
                                                          {"timeframe", "text", texts + "]"},
                                                          {"idx", "int", numbers + "]"},
                                                          {"ts", "time", times + "]"},
                                                          {"open", "double", numbers + "]"},
                                                          {"high", "double", numbers + "]"},
                                                          {"low", "double", numbers + "]"},
                                                          {"close", "double", numbers + "]"},
                                                          {"volume", "double", numbers + "]"}});
}

std::string ask(SqlEngine& engine, const std::string& sql) {
  const auto error = [](const Status& status) {
    return "error " + std::to_string(static_cast<int>(status.code())) + ": " + status.message();
  };
  ArrowArrayStream stream;
  if (const Status status = engine.query(sql, &stream); !status.ok()) return error(status);
  char* text = nullptr;
  size_t size = 0;
  std::FILE* file = ::open_memstream(&text, &size);
  const Status status = cli::write_result(&stream, {.format = cli::OutputFormat::csv}, file);
  std::fclose(file);
  std::string result(text, size);
  std::free(text);  // NOLINT: open_memstream gives it so
  return status.ok() ? result : error(status);
}

std::string ask(const Scope& scope, const std::string& sql) {
  const Result<std::unique_ptr<SqlEngine>> engine = SqlEngine::open(posix_file_system(), scope);
  if (!engine.ok()) {
    return "error " + std::to_string(static_cast<int>(engine.status().code())) + ": " + engine.status().message();
  }
  return ask(**engine, sql);
}

}  // namespace signalbook::test
