#include "cli/output.h"

#include <arrow/api.h>
#include <arrow/c/abi.h>
#include <arrow/c/bridge.h>
#include <arrow/io/file.h>
#include <arrow/io/memory.h>
#include <arrow/json/from_string.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <parquet/arrow/reader.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmath>
#include <limits>

#include "cli/text_table.h"
#include "format/json_value.h"
#include "support/query_store.h"

namespace signalbook::cli {
namespace {

using arrow::json::ArrayFromJSONString;

struct Field {
  const char* name;
  std::shared_ptr<arrow::DataType> type;
  const char* values;
};

std::shared_ptr<arrow::RecordBatch> batch_of(const std::vector<Field>& columns) {
  std::vector<std::shared_ptr<arrow::Field>> fields;
  std::vector<std::shared_ptr<arrow::Array>> arrays;
  for (const Field& column : columns) {
    fields.push_back(arrow::field(column.name, column.type));
    arrays.push_back(ArrayFromJSONString(column.type, column.values).ValueOrDie());
  }
  const int64_t length = arrays.empty() ? 0 : arrays[0]->length();
  return arrow::RecordBatch::Make(arrow::schema(fields), length, arrays);
}

ArrowArrayStream stream_of(const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches,
                           std::shared_ptr<arrow::Schema> schema = nullptr) {
  if (schema == nullptr) schema = batches[0]->schema();
  ArrowArrayStream stream;
  EXPECT_TRUE(
      arrow::ExportRecordBatchReader(arrow::RecordBatchReader::Make(batches, schema).ValueOrDie(), &stream).ok());
  return stream;
}

std::string write(ArrowArrayStream stream, const OutputOptions& options) {
  char* text = nullptr;
  size_t size = 0;
  std::FILE* file = ::open_memstream(&text, &size);
  const Status status = write_result(&stream, options, file);
  std::fclose(file);
  std::string result(text, size);
  std::free(text);  // NOLINT: open_memstream gives it so
  EXPECT_EQ(stream.release, nullptr);
  return status.ok() ? result : "error " + std::to_string(static_cast<int>(status.code())) + ": " + status.message();
}

std::string write(const std::vector<Field>& columns, const OutputOptions& options) {
  return write(stream_of({batch_of(columns)}), options);
}

constexpr OutputFormat kFormats[] = {OutputFormat::table, OutputFormat::csv, OutputFormat::json, OutputFormat::markdown,
                                     OutputFormat::parquet};

// ---- Values ---------------------------------------------------------------------------------------------------------

struct ValueCase {
  std::shared_ptr<arrow::DataType> type;
  const char* value;  // as Arrow's JSON reads it
  const char* text;
  const char* json;
};

TEST(Output, WritesEveryType) {
  const auto micro = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  const ValueCase cases[] = {
      {arrow::boolean(), "true", "true", "true"},
      {arrow::int8(), "-128", "-128", "-128"},
      {arrow::uint8(), "255", "255", "255"},
      {arrow::int16(), "-32768", "-32768", "-32768"},
      {arrow::uint16(), "65535", "65535", "65535"},
      {arrow::int32(), "-2147483648", "-2147483648", "-2147483648"},
      {arrow::uint32(), "4294967295", "4294967295", "4294967295"},
      {arrow::int64(), "9007199254740993", "9007199254740993", "9007199254740993"},
      {arrow::uint64(), "18446744073709551615", "18446744073709551615", "18446744073709551615"},
      {arrow::float64(), "0.1", "0.1", "0.1"},
      {arrow::float64(), "2", "2.0", "2.0"},
      {arrow::float64(), "1e300", "1e+300", "1e+300"},
      {arrow::float64(), "0.30000000000000004", "0.30000000000000004", "0.30000000000000004"},
      {arrow::float64(), "-0.0", "-0.0", "-0.0"},
      {arrow::float32(), "0.1", "0.1", "0.1"},
      {arrow::float32(), "3", "3.0", "3.0"},
      {arrow::float64(), "NaN", "nan", "null"},
      {arrow::float64(), "Inf", "inf", "null"},
      {arrow::float64(), "-Inf", "-inf", "null"},
      {arrow::decimal128(5, 2), "\"-1.50\"", "-1.50", "-1.50"},
      {arrow::decimal128(38, 0), "\"99999999999999999999999999999999999999\"", "99999999999999999999999999999999999999",
       "99999999999999999999999999999999999999"},
      {arrow::utf8(), R"("it's \"x\"\\")", R"(it's "x"\)", R"("it's \"x\"\\")"},
      {arrow::large_utf8(), "\"käse\"", "käse", "\"käse\""},
      {arrow::utf8_view(), "\"v\"", "v", "\"v\""},
      {arrow::binary(), "\"\\u0001J\"", "014a", "\"014a\""},
      {arrow::fixed_size_binary(2), "\"ab\"", "6162", "\"6162\""},
      {micro, "0", "1970-01-01T00:00:00Z", "\"1970-01-01T00:00:00Z\""},
      {micro, "1711459800000000", "2024-03-26T13:30:00Z", "\"2024-03-26T13:30:00Z\""},
      {micro, "1711459800000500", "2024-03-26T13:30:00.000500Z", "\"2024-03-26T13:30:00.000500Z\""},
      {micro, "-1", "1969-12-31T23:59:59.999999Z", "\"1969-12-31T23:59:59.999999Z\""},
      {micro, "9223372036854775807", "infinity", "\"infinity\""},
      {micro, "-9223372036854775807", "-infinity", "\"-infinity\""},
      {arrow::timestamp(arrow::TimeUnit::SECOND), "-1", "1969-12-31T23:59:59", "\"1969-12-31T23:59:59\""},
      {arrow::timestamp(arrow::TimeUnit::MILLI), "1500", "1970-01-01T00:00:01.500000",
       "\"1970-01-01T00:00:01.500000\""},
      {arrow::timestamp(arrow::TimeUnit::NANO), "1", "1970-01-01T00:00:00.000000001",
       "\"1970-01-01T00:00:00.000000001\""},
      {arrow::date32(), "19808", "2024-03-26", "\"2024-03-26\""},
      {arrow::date32(), "-1", "1969-12-31", "\"1969-12-31\""},
      {arrow::time64(arrow::TimeUnit::MICRO), "34200000000", "09:30:00", "\"09:30:00\""},
      {arrow::time64(arrow::TimeUnit::MICRO), "34200000001", "09:30:00.000001", "\"09:30:00.000001\""},
      {arrow::month_day_nano_interval(), "[14, -3, 1500000000]", "P14M-3DT1.500000S", "\"P14M-3DT1.500000S\""},
      {arrow::month_day_nano_interval(), "[0, 0, -500000000]", "PT-0.500000S", "\"PT-0.500000S\""},
      {arrow::month_day_nano_interval(), "[0, 0, 0]", "PT0S", "\"PT0S\""},
      {arrow::list(arrow::float64()), "[1, null, NaN]", "[1.0,null,null]", "[1.0,null,null]"},
      {arrow::list(arrow::utf8()), "[]", "[]", "[]"},
      {arrow::fixed_size_list(arrow::int32(), 2), "[1, 2]", "[1,2]", "[1,2]"},
      {arrow::struct_({arrow::field("a", arrow::int32()), arrow::field("b\"", arrow::list(arrow::date32()))}),
       R"({"a": 1, "b\"": [0]})", R"({"a":1,"b\"":["1970-01-01"]})", R"({"a":1,"b\"":["1970-01-01"]})"},
      {arrow::map(arrow::utf8(), arrow::int32()), R"([["k", 1], ["l", null]])", R"({"k":1,"l":null})",
       R"({"k":1,"l":null})"},
      {arrow::map(arrow::int32(), arrow::utf8()), R"([[7, "x"]])", R"({"7":"x"})", R"({"7":"x"})"},
      {arrow::dictionary(arrow::int8(), arrow::utf8()), "\"long\"", "long", "\"long\""},
  };
  for (const ValueCase& c : cases) {
    const std::string values = std::string("[") + c.value + ", null]";
    const std::vector<Field> columns = {{"v", c.type, values.c_str()}, {"n", arrow::null(), "[null, null]"}};
    EXPECT_EQ(write(columns, {.format = OutputFormat::json}),
              std::string("[\n{\"v\":") + c.json + ",\"n\":null},\n{\"v\":null,\"n\":null}\n]\n")
        << c.type->ToString();
    std::string field = c.text;
    if (field.find_first_of(",\"") != std::string::npos) {
      std::string doubled;
      for (const char ch : field) doubled += ch == '"' ? "\"\"" : std::string(1, ch);
      field = "\"" + doubled + "\"";
    }
    EXPECT_EQ(write(columns, {.format = OutputFormat::csv}), "v,n\n" + field + ",\n,\n") << c.type->ToString();
  }
}

TEST(Output, WritesValuesOfSlices) {
  const auto whole = batch_of(
      {{"a", arrow::list(arrow::int32()), "[[1], [2, 3], null, [4]]"},
       {"s", arrow::struct_({arrow::field("x", arrow::int32())}), R"([{"x": 1}, {"x": 2}, {"x": 3}, {"x": 4}])"},
       {"d", arrow::dictionary(arrow::int8(), arrow::utf8()), R"(["p", "q", "p", null])"}});
  EXPECT_EQ(write(stream_of({whole->Slice(1, 2), whole->Slice(3)}), {.format = OutputFormat::csv}),
            "a,s,d\n\"[2,3]\",\"{\"\"x\"\":2}\",q\n,\"{\"\"x\"\":3}\",p\n[4],\"{\"\"x\"\":4}\",\n");
}

TEST(Output, ReplacesWhatIsNotUtf8) {
  const auto type = arrow::utf8();
  arrow::StringBuilder builder;
  ASSERT_TRUE(builder.Append("a\xff\xc3").ok());
  const auto batch =
      arrow::RecordBatch::Make(arrow::schema({arrow::field("t", type)}), 1, {builder.Finish().ValueOrDie()});
  EXPECT_EQ(write(stream_of({batch}), {.format = OutputFormat::json}), "[\n{\"t\":\"a\uFFFD\uFFFD\"}\n]\n");
}

// ---- csv ------------------------------------------------------------------------------------------------------------

TEST(Csv, QuotesWhatNeedsIt) {
  EXPECT_EQ(write({{"a,b", arrow::utf8(), R"(["x,y", "q\"q", "l\nl", "c\rc", " s ", "", null])"},
                   {"n", arrow::int32(), "[1, 2, 3, 4, 5, 6, 7]"}},
                  {.format = OutputFormat::csv}),
            "\"a,b\",n\n\"x,y\",1\n\"q\"\"q\",2\n\"l\nl\",3\n\"c\rc\",4\n s ,5\n\"\",6\n,7\n");
}

TEST(Csv, AnEmptyRowIsStillALine) {
  EXPECT_EQ(write({{"a", arrow::utf8(), R"([null, "", "x"])"}}, {.format = OutputFormat::csv}), "a\n\"\"\n\"\"\nx\n");
}

// ---- json -----------------------------------------------------------------------------------------------------------

TEST(Json, IsReadBackWhole) {
  const std::string text = write({{"t", arrow::utf8(), R"(["\u0001\u001f\t\n\r\"\\ \u007f \u2028 株", "{}"])"},
                                  {"n", arrow::float64(), "[1e-7, 123456789012345680]"}},
                                 {.format = OutputFormat::json});
  const Result<JsonValue> value = parse_json(text);
  ASSERT_TRUE(value.ok()) << text;
  ASSERT_EQ(value->array()->size(), 2U);
  EXPECT_EQ(*value->array()->at(0).find("t")->text(), "\x01\x1f\t\n\r\"\\ \x7f \u2028 株");
  EXPECT_EQ(*value->array()->at(0).find("n")->real(), 1e-7);
  EXPECT_EQ(*value->array()->at(1).find("n")->real(), 123456789012345680.0);
}

TEST(Json, KeysAreDistinct) {
  EXPECT_EQ(write({{"n", arrow::int32(), "[1]"},
                   {"n", arrow::int32(), "[2]"},
                   {"n_1", arrow::int32(), "[3]"},
                   {"n", arrow::int32(), "[4]"}},
                  {.format = OutputFormat::json}),
            "[\n{\"n\":1,\"n_2\":2,\"n_1\":3,\"n_3\":4}\n]\n");
}

// ---- markdown -------------------------------------------------------------------------------------------------------

TEST(Markdown, IsATable) {
  EXPECT_EQ(
      write({{"a|b", arrow::utf8(), R"(["x|y", "two\nlines", null])"}, {"n", arrow::float64(), "[1.5, null, -2]"}},
            {.format = OutputFormat::markdown}),
      "| a\\|b | n |\n| --- | ---: |\n| x\\|y | 1.5 |\n| two<br>lines |  |\n|  | -2.0 |\n");
}

// ---- table ----------------------------------------------------------------------------------------------------------

TEST(Table, AlignsColumns) {
  EXPECT_EQ(write({{"id", arrow::utf8(), R"(["strategy_0", "株", null])"},
                   {"sharpe_ratio", arrow::float64(), "[1.5, -0.25, null]"},
                   {"ok", arrow::boolean(), "[true, false, null]"}},
                  {}),
            "id          sharpe_ratio  ok\n"
            "──────────  ────────────  ─────\n"
            "strategy_0           1.5  true\n"
            "株                 -0.25  false\n"
            "\n"
            "(3 rows)\n");
}

TEST(Table, EscapesWhatMovesTheCursor) {
  const std::string text =
      write({{"t", arrow::utf8(), R"(["a\nb\tc\rd", "\u001b[31mred\u0007", "\u202eabc\u0085"])"}}, {});
  EXPECT_EQ(text, "t\n───────────────\na\\nb\\tc\\rd\n\\x1b[31mred\\x07\n\\u202eabc\\u0085\n(3 rows)\n");
}

TEST(Table, ShortensTextToTheTerminal) {
  const std::vector<Field> columns = {
      {"path", arrow::utf8(), R"(["traces/SPY_5m/signals/bollinger_bands/x.parquet", "short"])"},
      {"bars", arrow::int64(), "[123456789012, 1]"}};
  EXPECT_EQ(write(columns, {.terminal_width = 40}),
            "path                                bars\n"
            "──────────────────────────  ────────────\n"
            "traces/SPY_5m/signals/bol…  123456789012\n"
            "short                                  1\n"
            "(2 rows)\n");
  EXPECT_NE(write(columns, {}).find("bollinger_bands/x.parquet"), std::string::npos);  // no terminal: nothing is cut
}

TEST(Table, LeavesOutColumnsInTheMiddle) {
  std::vector<std::string> names;
  for (int i = 0; i < 20; ++i) names.push_back("column_" + std::to_string(i));
  std::vector<Field> columns;
  for (const std::string& name : names) columns.push_back({name.c_str(), arrow::int32(), "[1, 2]"});
  EXPECT_EQ(write(columns, {.terminal_width = 60}),
            "column_0  column_1  column_2  …  column_18  column_19\n"
            "────────  ────────  ────────  ─  ─────────  ─────────\n"
            "       1         1         1  …          1          1\n"
            "       2         2         2  …          2          2\n"
            "(2 rows; 5 of 20 columns, --format csv shows all)\n");
}

// Whatever the width, no line is wider and no number is cut.
TEST(Table, FitsEveryWidth) {
  const std::vector<Field> columns = {{"strategy_id", arrow::utf8(), R"(["strategy_0", "株株株株株株株株株株株株"])"},
                                      {"sharpe_ratio", arrow::float64(), "[1.25, -12345.5]"},
                                      {"ts", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), "[0, 1]"},
                                      {"config", arrow::utf8(), R"(["{\"a\":1,\"b\":[1,2,3,4,5,6,7]}", null])"},
                                      {"n", arrow::int64(), "[1, 1000000]"}};
  for (int width = 20; width < 140; ++width) {
    const std::string text = write(columns, {.terminal_width = width});
    size_t begin = 0;
    for (int line = 0; line < 4; ++line) {
      const size_t end = text.find('\n', begin);
      EXPECT_LE(display_width(text.substr(begin, end - begin)), width) << text;
      begin = end + 1;
    }
    const std::string header = text.substr(0, text.find('\n'));
    EXPECT_EQ(header.ends_with(" n"), text.find("1000000") != std::string::npos) << text;
    EXPECT_EQ(header.find("sharpe") != std::string::npos, text.find("-12345.5") != std::string::npos) << text;
  }
}

TEST(Table, NeverCutsANumber) {
  EXPECT_EQ(write({{"a_long_name", arrow::int64(), "[1234567890, 1]"}}, {.terminal_width = 5}),
            "a_long_na…\n──────────\n1234567890\n         1\n(2 rows)\n");
}

TEST(Table, CountsRowsAndSaysWhatTheLimitLeftOut) {
  const auto batch = batch_of({{"n", arrow::int32(), "[1, 2, 3]"}});
  EXPECT_EQ(write(stream_of({batch}), {.limit = 2}), "n\n─\n1\n2\n(first 2 rows; there are more)\n");
  EXPECT_EQ(write(stream_of({batch}), {.limit = 3}), "n\n─\n1\n2\n3\n(3 rows)\n");
  EXPECT_EQ(write(stream_of({batch, batch}), {.limit = 3}), "n\n─\n1\n2\n3\n(first 3 rows; there are more)\n");
  EXPECT_EQ(write(stream_of({batch, batch}), {.limit = 100}), "n\n─\n1\n2\n3\n1\n2\n3\n(6 rows)\n");
  EXPECT_EQ(write(stream_of({batch->Slice(0, 1)}), {}), "n\n─\n1\n(1 row)\n");
}

TEST(Table, HoldsOnlyTheFirstRows) {
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  for (int b = 0; b < 6; ++b) {
    arrow::Int64Builder builder;
    for (int i = 0; i < 2048; ++i) ASSERT_TRUE(builder.Append(b * 2048 + i).ok());
    batches.push_back(arrow::RecordBatch::Make(arrow::schema({arrow::field("n", arrow::int64())}), 2048,
                                               {builder.Finish().ValueOrDie()}));
  }
  const std::string text = write(stream_of(batches), {});
  EXPECT_NE(text.find("\n9999\n10000\n"), std::string::npos);  // 10,000 rows fit four digits; the next is wider
  EXPECT_TRUE(text.ends_with("12287\n(12,288 rows)\n"));
  EXPECT_EQ(write(stream_of(batches), {.terminal_width = 80}), text);  // and is not cut
}

TEST(Table, ShowsAPlanAsItIs) {
  EXPECT_EQ(write({{"explain_key", arrow::utf8(), R"(["physical_plan"])"},
                   {"explain_value", arrow::utf8(), R"(["┌──┐\n└──┘\n"])"}},
                  {.terminal_width = 10}),
            "┌──┐\n└──┘\n");
}

// ---- all formats ----------------------------------------------------------------------------------------------------

std::shared_ptr<arrow::Table> read_parquet(const std::string& bytes) {
  const auto file = std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(bytes));
  const auto reader = parquet::arrow::OpenFile(file, arrow::default_memory_pool()).ValueOrDie();
  return reader->ReadTable().ValueOrDie();
}

TEST(Output, NoRowsAreAResult) {
  const auto schema = arrow::schema({arrow::field("a", arrow::utf8()), arrow::field("n", arrow::int64())});
  const auto empty = [&] { return stream_of({}, schema); };
  EXPECT_EQ(write(empty(), {.format = OutputFormat::table}), "a  n\n─  ─\n(0 rows)\n");
  EXPECT_EQ(write(empty(), {.format = OutputFormat::csv}), "a,n\n");
  EXPECT_EQ(write(empty(), {.format = OutputFormat::json}), "[]\n");
  EXPECT_EQ(write(empty(), {.format = OutputFormat::markdown}), "| a | n |\n| --- | ---: |\n");
  const auto table = read_parquet(write(empty(), {.format = OutputFormat::parquet}));
  EXPECT_EQ(table->num_rows(), 0);
  EXPECT_EQ(table->schema()->field_names(), (std::vector<std::string>{"a", "n"}));
}

TEST(Output, LimitsEveryFormat) {
  const auto batch = batch_of({{"n", arrow::int32(), "[1, 2, 3]"}});
  EXPECT_EQ(write(stream_of({batch, batch}), {.format = OutputFormat::csv, .limit = 4}), "n\n1\n2\n3\n1\n");
  EXPECT_EQ(write(stream_of({batch}), {.format = OutputFormat::json, .limit = 1}), "[\n{\"n\":1}\n]\n");
  EXPECT_EQ(write(stream_of({batch}), {.format = OutputFormat::markdown, .limit = 0}), "| n |\n| ---: |\n");
  EXPECT_EQ(read_parquet(write(stream_of({batch, batch}), {.format = OutputFormat::parquet, .limit = 5}))->num_rows(),
            5);
  EXPECT_EQ(write(stream_of({batch}), {.limit = 0}), "n\n─\n(first 0 rows; there are more)\n");
}

TEST(Parquet, IsReadBackWhole) {
  const auto batch = batch_of({{"n", arrow::int64(), "[1, null]"},
                               {"n", arrow::float64(), "[0.5, NaN]"},
                               {"ts", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), "[1, null]"},
                               {"e", arrow::dictionary(arrow::int8(), arrow::utf8()), R"(["p", "q"])"},
                               {"l", arrow::list(arrow::utf8()), R"([["x"], []])"}});
  const auto table = read_parquet(write(stream_of({batch, batch}), {.format = OutputFormat::parquet}));
  ASSERT_EQ(table->num_rows(), 4);
  EXPECT_EQ(table->schema()->field_names(), (std::vector<std::string>{"n", "n_1", "ts", "e", "l"}));
  EXPECT_TRUE(table->column(2)->type()->Equals(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")));
  EXPECT_EQ(table->column(3)->GetScalar(3).ValueOrDie()->ToString(), "q");
  EXPECT_EQ(table->column(0)->GetScalar(2).ValueOrDie()->ToString(), "1");
}

TEST(Parquet, SaysWhatItCannotHold) {
  const std::string text =
      write({{"i", arrow::month_day_nano_interval(), "[[1, 2, 3]]"}}, {.format = OutputFormat::parquet});
  EXPECT_EQ(text.substr(0, 52), "error 2: the result cannot be written as Parquet: Un") << text;
}

TEST(Parquet, IsNotForATerminal) {
  const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY);
  if (terminal < 0) GTEST_SKIP() << "this machine has no pseudo terminals";
  ASSERT_EQ(::grantpt(terminal), 0);
  ASSERT_EQ(::unlockpt(terminal), 0);
  std::FILE* out = std::fopen(::ptsname(terminal), "w");
  ASSERT_NE(out, nullptr);
  ArrowArrayStream stream = stream_of({batch_of({{"n", arrow::int32(), "[1]"}})});
  const Status status = write_result(&stream, {.format = OutputFormat::parquet}, out);
  EXPECT_EQ(status.code(), StatusCode::invalid);
  EXPECT_NE(status.message().find("not for a terminal"), std::string::npos);
  std::fclose(out);
  ::close(terminal);
}

TEST(Output, AFullDiskIsAnError) {
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches(
      5000,
      batch_of({{"n", arrow::int32(), "[1, 2, 3]"}, {"t", arrow::utf8(), R"(["aaaaaaaaaaaaaaaaaa", "b", "c"])"}}));
  for (const OutputFormat format : kFormats) {
    std::FILE* full = std::fopen("/dev/full", "w");
    if (full == nullptr) GTEST_SKIP() << "this machine has no /dev/full";
    ArrowArrayStream stream = stream_of(batches);
    const Status status = write_result(&stream, {.format = format}, full);
    EXPECT_EQ(status.code(), StatusCode::io_error);
    EXPECT_NE(status.message().find("No space left"), std::string::npos) << status.message();
    EXPECT_EQ(stream.release, nullptr);
    std::fclose(full);
  }
}

// A stream that gives a batch and then fails.
struct FailingStream {
  int code;
  int served = 0;
};

ArrowArrayStream failing_stream(FailingStream* state) {
  const auto schema = [](ArrowArrayStream*, ArrowSchema* out) {
    return arrow::ExportSchema(*batch_of({{"n", arrow::int32(), "[1]"}})->schema(), out).ok() ? 0 : EINVAL;
  };
  const auto next = [](ArrowArrayStream* stream, ArrowArray* out) {
    auto* s = static_cast<FailingStream*>(stream->private_data);
    if (s->served++ > 0) return s->code;
    return arrow::ExportRecordBatch(*batch_of({{"n", arrow::int32(), "[1]"}}), out).ok() ? 0 : EINVAL;
  };
  return {.get_schema = schema,
          .get_next = next,
          .get_last_error = [](ArrowArrayStream*) { return "it broke"; },
          .release = [](ArrowArrayStream* stream) { stream->release = nullptr; },
          .private_data = state};
}

TEST(Output, AFailingStreamIsAnErrorOfItsKind) {
  const struct {
    int code;
    const char* expected;
  } cases[] = {{EINVAL, "error 2: it broke"}, {EBADMSG, "error 3: it broke"}, {EIO, "error 4: it broke"}};
  for (const auto& c : cases) {
    for (const OutputFormat format : kFormats) {
      FailingStream state{.code = c.code};
      EXPECT_EQ(write(failing_stream(&state), {.format = format}), c.expected);
    }
  }
}

TEST(Output, WritesWhatTheEngineAnswers) {
  test::QueryStore store;
  store.add_index("run_1", 1);
  const auto engine = SqlEngine::open(posix_file_system(), store.scope());
  ASSERT_TRUE(engine.ok());
  ArrowArrayStream stream;
  ASSERT_TRUE(
      (*engine)
          ->query(
              "SELECT 'long'::ENUM('short', 'long') AS e, 1.50::DECIMAL(5,2) AS d, DATE '2024-03-26' AS day, TIME "
              "'09:30:00' AS t, "
              "TIMESTAMPTZ '2024-03-26 13:30:00+00' AS ts, '\\xAB'::BLOB AS b, MAP {'k': [1.5]} AS m, {'x': NULL, 'y': "
              "1} AS s, "
              "INTERVAL '1 month' AS i, uuid '00000000-0000-0000-0000-000000000001' AS u, union_value(n := 7) AS v, "
              "NULL AS nothing, '{\"a\":1}'::JSON AS j, TIMETZ '09:30:00+00' AS tz, [[1], []] AS ll, 1::UTINYINT AS "
              "ut, "
              "TIMESTAMP '2024-03-26 13:30:00' AS naive, TIMESTAMP_NS '2024-03-26 13:30:00.000000001' AS ns",
              &stream)
          .ok());
  EXPECT_EQ(write(stream, {.format = OutputFormat::json}),
            "[\n{\"e\":\"long\",\"d\":1.50,\"day\":\"2024-03-26\",\"t\":\"09:30:00\",\"ts\":\"2024-03-26T13:30:00Z\","
            "\"b\":\"ab\","
            "\"m\":{\"k\":[1.5]},\"s\":{\"x\":null,\"y\":1},\"i\":\"P1M\",\"u\":\"00000000-0000-0000-0000-"
            "000000000001\",\"v\":7,"
            "\"nothing\":null,\"j\":\"{\\\"a\\\":1}\",\"tz\":\"09:30:00\",\"ll\":[[1],[]],\"ut\":1,"
            "\"naive\":\"2024-03-26T13:30:00\",\"ns\":\"2024-03-26T13:30:00.000000001\"}\n]\n");
}

// ---- Widths ---------------------------------------------------------------------------------------------------------

TEST(TextTable, KnowsWidths) {
  EXPECT_EQ(display_width(""), 0);
  EXPECT_EQ(display_width("abc"), 3);
  EXPECT_EQ(display_width("käse"), 4);
  EXPECT_EQ(display_width("ka\u0308se"), 4);  // the accent by itself
  EXPECT_EQ(display_width("株式"), 4);
  EXPECT_EQ(display_width("🚀"), 2);
  EXPECT_EQ(cut_to_width("abcdef", 6), "abcdef");
  EXPECT_EQ(cut_to_width("abcdef", 5), "abcd…");
  EXPECT_EQ(cut_to_width("株式会社", 6), "株式…");  // a wide one that would not fit is left out whole
  EXPECT_EQ(cut_to_width("abc", 1), "…");
}

}  // namespace
}  // namespace signalbook::cli
