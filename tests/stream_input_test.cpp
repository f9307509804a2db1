#include "ingest/stream_input.h"

#include <arrow/array/array_dict.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_dict.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "ingest/byte_stream.h"
#include "ingest/column_input.h"

namespace signalbook {
namespace {

// A pipe into which these pieces are written, one each time the reader waits for more, and which is closed then.
class Pieces {
 public:
  explicit Pieces(std::vector<std::string> pieces) : pieces_(std::move(pieces)) { EXPECT_EQ(::pipe(descriptors_), 0); }
  ~Pieces() {
    ::close(descriptors_[0]);
    close();
  }

  std::unique_ptr<ByteStream> open() {
    return std::make_unique<ByteStream>(descriptors_[0], -1, [this]() -> Result<std::optional<int>> {
      write_next();
      return std::optional<int>();
    });
  }

  size_t written() const { return next_; }

 private:
  void write_next() {
    while (next_ < pieces_.size() && pieces_[next_].empty()) ++next_;
    if (next_ == pieces_.size()) return close();
    const std::string& piece = pieces_[next_++];
    EXPECT_EQ(::write(descriptors_[1], piece.data(), piece.size()), static_cast<ssize_t>(piece.size()));
  }
  void close() {
    if (descriptors_[1] >= 0) ::close(descriptors_[1]);
    descriptors_[1] = -1;
  }

  std::vector<std::string> pieces_;
  size_t next_ = 0;
  int descriptors_[2] = {-1, -1};
};

std::string text_of(const TableColumn& column, size_t row) {
  if (column.is_null(row)) return "NULL";
  switch (column.type) {
    case ColumnType::text:
      return "'" + column.texts[row] + "'";
    case ColumnType::real:
      return fmt::format("{}", column.reals[row]);
    case ColumnType::bytes:
      return fmt::format("{} bytes", column.texts[row].size());
    case ColumnType::text_list:
      return fmt::format("{} texts", column.lists[row].size());
    default:
      return fmt::format("{}", column.integers[row]);
  }
}

// What a stream handed over, as text, a line a row: its number and its cells.
struct Seen {
  std::vector<std::string> rows;
  Status status;
  bool ended = false, torn = false;

  bool operator==(const Seen& other) const {
    return rows == other.rows && status.code() == other.status.code() && status.message() == other.status.message() &&
           ended == other.ended && torn == other.torn;
  }
};

std::ostream& operator<<(std::ostream& out, const Seen& seen) {
  for (const std::string& row : seen.rows) out << row << "\n";
  return out << seen.status.message() << (seen.ended ? " ended" : "") << (seen.torn ? " torn" : "");
}

Seen read_all(std::vector<std::string> pieces, const StreamInput::Options& options = {},
              std::optional<size_t> stop_after = {}) {
  Pieces source(std::move(pieces));
  Seen seen;
  auto input = open_stream_input(source.open(), options);
  if (!input.ok()) {
    seen.status = input.status();
    return seen;
  }
  std::vector<int> columns;
  for (size_t i = 0; i < (*input)->column_names().size(); ++i) columns.push_back(static_cast<int>(i));
  seen.status = (*input)->scan(columns, [&](int64_t first_row, const Table& table) {
    for (size_t row = 0; row < table.row_count(); ++row) {
      std::string line = fmt::format("{}", first_row + static_cast<int64_t>(row));
      for (const TableColumn& column : table.columns) line += " " + column.name + "=" + text_of(column, row);
      seen.rows.push_back(std::move(line));
      if (seen.rows.size() == stop_after) (*input)->stop();
    }
    return Status();
  });
  seen.ended = (*input)->is_ended();
  seen.torn = (*input)->was_torn();
  return seen;
}

std::string arrow_stream(int batches, bool end) {
  const auto schema = arrow::schema({arrow::field("strategy_id", arrow::utf8()), arrow::field("idx", arrow::int64()),
                                     arrow::field("val", arrow::float64())});
  const auto sink = arrow::io::BufferOutputStream::Create().ValueOrDie();
  const auto writer = arrow::ipc::MakeStreamWriter(sink, schema).ValueOrDie();
  for (int i = 0; i < batches; ++i) {
    arrow::StringBuilder ids;
    arrow::Int64Builder bars;
    arrow::DoubleBuilder values;
    for (int row = 0; row <= i; ++row) {
      EXPECT_TRUE(ids.Append(fmt::format("s{}", row)).ok() && bars.Append(i).ok() && values.Append(0.5 * i).ok());
    }
    const auto batch = arrow::RecordBatch::Make(
        schema, i + 1, {ids.Finish().ValueOrDie(), bars.Finish().ValueOrDie(), values.Finish().ValueOrDie()});
    EXPECT_TRUE(writer->WriteRecordBatch(*batch).ok());
  }
  std::string bytes;
  if (end) {
    EXPECT_TRUE(writer->Close().ok());
    bytes = sink->Finish().ValueOrDie()->ToString();
  } else {
    bytes = sink->Finish().ValueOrDie()->ToString();
  }
  return bytes;
}

const std::string kCsv =
    "\nstrategy_id,idx,val,\"config\",end\r\n"
    "a,0,1,\"{\n \"\"type\"\": \"\"x\r\n\"\"}\",\r\n"
    "b,0,NA,,false\r"
    "\n"
    "\"a,\n1\",1,-0.5,,\n"
    ",,,,true\n";

const std::string kJsonLines =
    "{\"strategy_id\":\"a\",\"idx\":0,\"val\":1,\"config\":{\"type\":\"x\\n\"}}\n"
    "\n"
    "{\"strategy_id\":7,\"timestamp\":\"2024-03-26\",\"val\":\"1\",\"config\":\"{}\"}\r\n"
    "{\"strategy_id\":\"b\",\"idx\":1,\"val\":0.5,\"px\":null}\n"
    "{\"strategy_id\":\"b\",\"idx\":2,\"val\":9007199254740993}\n"
    "{\"end\":true}\n";

TEST(StreamInput, Csv) {
  const Seen seen = read_all({kCsv});
  EXPECT_EQ(seen.rows,
            (std::vector<std::string>{"0 strategy_id='a' idx='0' val='1' config='{\n \"type\": \"x\r\n\"}' end=NULL",
                                      "1 strategy_id='b' idx='0' val=NULL config=NULL end='false'",
                                      "2 strategy_id='a,\n1' idx='1' val='-0.5' config=NULL end=NULL",
                                      "3 strategy_id=NULL idx=NULL val=NULL config=NULL end='true'"}));
  EXPECT_TRUE(seen.status.ok() && !seen.ended && !seen.torn) << seen;
}

TEST(StreamInput, JsonLines) {
  const Seen seen = read_all({kJsonLines});
  EXPECT_EQ(seen.rows, (std::vector<std::string>{"0 strategy_id='a' idx=0 val=1 config='{\"type\":\"x\\n\"}'",
                                                 "1 strategy_id='7' ts='2024-03-26' val='1' config='{}'",
                                                 "2 strategy_id='b' idx=1 val=0.5",
                                                 "3 strategy_id='b' idx=2 val=9007199254740993", "4 end=1"}));
  EXPECT_TRUE(seen.status.ok() && !seen.ended && !seen.torn) << seen;
}

TEST(StreamInput, ArrowEndsWithItsMarker) {
  const Seen with = read_all({arrow_stream(3, true)}), without = read_all({arrow_stream(3, false)});
  EXPECT_EQ(with.rows.size(), 6u);
  EXPECT_EQ(with.rows, without.rows);
  EXPECT_TRUE(with.ended && !without.ended && !without.torn);
  EXPECT_TRUE(with.status.ok() && without.status.ok());
}

// However the bytes come, the rows are the same.
TEST(StreamInput, AnyPieces) {
  const std::string arrow = arrow_stream(3, true);
  for (const std::string* const text : {&kCsv, &kJsonLines, &arrow}) {
    const Seen whole = read_all({*text});
    ASSERT_TRUE(whole.status.ok());
    for (size_t cut = 0; cut <= text->size(); ++cut) {
      ASSERT_EQ(read_all({text->substr(0, cut), text->substr(cut)}), whole) << cut;
    }
    std::vector<std::string> bytes;
    for (const char c : *text) bytes.emplace_back(1, c);
    EXPECT_EQ(read_all(bytes), whole);
  }
}

// Of a single column an empty line is a missing value, and half a line end is none.
TEST(StreamInput, OneColumn) {
  for (const std::string line_end : {"\n", "\r\n", "\r"}) {
    const std::string text = "a" + line_end + "1" + line_end + line_end + "2" + line_end;
    std::vector<std::string> bytes;
    for (const char c : text) bytes.emplace_back(1, c);
    for (const Seen& seen : {read_all({text}), read_all(bytes)}) {
      EXPECT_EQ(seen.rows, (std::vector<std::string>{"0 a='1'", "1 a=NULL", "2 a='2'"})) << line_end;
    }
  }
}

// Cut off anywhere, what was whole is there, in order, and the rest is said to be missing.
TEST(StreamInput, CutAnywhere) {
  const std::string arrow = arrow_stream(3, true);
  for (const std::string* const text : {&kCsv, &kJsonLines, &arrow}) {
    const Seen whole = read_all({*text});
    size_t longest = 0;
    for (size_t cut = 0; cut < text->size(); ++cut) {
      const Seen seen = read_all({text->substr(0, cut)});
      ASSERT_TRUE(seen.status.ok() || seen.status.code() == StatusCode::not_found) << cut << ": " << seen;
      ASSERT_FALSE(seen.ended) << cut;
      ASSERT_LE(seen.rows.size(), whole.rows.size());
      ASSERT_GE(seen.rows.size(), longest) << cut;  // what has come once stays
      longest = seen.rows.size();
      ASSERT_TRUE(std::equal(seen.rows.begin(), seen.rows.end(), whole.rows.begin())) << cut << ": " << seen;
    }
    EXPECT_GE(longest + 1, whole.rows.size());
  }
}

// A row is handed over when its line end has come, not with the next row.
TEST(StreamInput, RowsComeAtOnce) {
  for (const std::string line_end : {"\n", "\r\n", "\r"}) {
    Pieces source({"strategy_id,val" + line_end, "a,1" + line_end, "a,2" + line_end, "a,3" + line_end});
    auto input = open_stream_input(source.open(), {});
    ASSERT_TRUE(input.ok()) << input.status().message();
    int64_t rows = 0;
    const Status status = (*input)->scan({0, 1}, [&](int64_t, const Table& table) {
      rows += static_cast<int64_t>(table.row_count());
      EXPECT_EQ(static_cast<size_t>(rows) + 1, source.written());
      return Status();
    });
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(rows, 3);
  }
}

TEST(StreamInput, BadRowsAreNamedAndCutNothingOff) {
  const std::string utf8 = "a,1\nb,2\nc,\xff\nd,4\n";
  for (const std::string& bad : {std::string("a,1\nb,2\nc\nd,4\n"), std::string("a,1\nb,2\nc,3,3\n"), utf8}) {
    for (const bool together : {true, false}) {
      std::vector<std::string> pieces = {"strategy_id,val\n", bad};
      if (!together) {
        pieces.pop_back();
        for (const char c : bad) pieces.emplace_back(1, c);
      }
      const Seen seen = read_all(pieces, {.end_of_file_ends = true, .first_row = 10});
      EXPECT_EQ(seen.rows, (std::vector<std::string>{"10 strategy_id='a' val='1'", "11 strategy_id='b' val='2'"}));
      EXPECT_EQ(seen.status.code(), StatusCode::invalid);
      EXPECT_TRUE(seen.status.message().starts_with("row 13: ")) << seen;
    }
  }
  const std::string good = "{\"strategy_id\":\"a\"}\n";
  for (const std::string bad : {"{\"strategy_id\":\"a\"", "[1]", "{}", "{\"x\":1}", "{\"ts\":1,\"timestamp\":1}", "nan",
                                "{\"idx\":2,\"idx\":3}", "{\"ts\":null,\"ts\":\"x\"}", "{\"id\\u0078\":1,\"idx\":1}",
                                "{\"val\":[1]}", "{\"val\":1e999}", "{\"idx\":123456789012345678901234567890}"}) {
    const Seen seen = read_all({good + good + bad + "\n" + good});
    EXPECT_EQ(seen.rows.size(), 2u) << bad;
    EXPECT_TRUE(seen.status.message().starts_with("row 3: ")) << bad << seen;
  }
}

TEST(StreamInput, LastRowWithoutALineEnd) {
  for (const std::string text : {"strategy_id,val\na,1\na,2", "{\"strategy_id\":\"a\"}\n{\"strategy_id\":\"b\"}"}) {
    const Seen torn = read_all({text}), whole = read_all({text}, {.end_of_file_ends = true});
    EXPECT_TRUE(torn.torn && !torn.ended && torn.rows.size() == 1) << torn;
    EXPECT_TRUE(!whole.torn && whole.ended && whole.rows.size() == 2) << whole;
  }
}

TEST(StreamInput, NothingIsReadBehindTheEnd) {
  Pieces source({"strategy_id,val\n", "a,1\n", "a,2\n", "a,3\n"});
  auto input = open_stream_input(source.open(), {});
  ASSERT_TRUE(input.ok());
  const Status status = (*input)->scan({0, 1}, [&](int64_t, const Table&) {
    (*input)->stop();
    return Status();
  });
  EXPECT_TRUE(status.ok() && (*input)->is_ended());
  EXPECT_EQ(source.written(), 2u);
}

TEST(StreamInput, Nothing) {
  for (const std::string text : {"", "\n", "strategy_id,v"}) {
    EXPECT_EQ(read_all({text}).status.code(), StatusCode::not_found) << text;
  }
  EXPECT_EQ(read_all({""}, {.end_of_file_ends = true}).status.code(), StatusCode::invalid);
  EXPECT_EQ(read_all({"PAR1...."}).status.code(), StatusCode::invalid);
  EXPECT_EQ(read_all({"ARROW1\n"}).status.code(), StatusCode::invalid);
  EXPECT_EQ(read_all({"\xff\xff\xff\xff garbage that is no schema at all"}).status.code(), StatusCode::not_found);
}

TEST(StreamInput, AQuoteThatIsNeverClosed) {
  std::vector<std::string> pieces = {"strategy_id,val\na,\"1"};
  for (int i = 0; i < 600; ++i) pieces.emplace_back(1 << 15, 'x');
  const Seen seen = read_all(pieces);
  EXPECT_NE(seen.status.message().find("is a quote opened and not closed?"), std::string::npos) << seen;
}

template <typename T>
std::shared_ptr<arrow::Buffer> buffer_of(const std::vector<T>& values) {
  return arrow::Buffer::FromString(
      std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)));
}

std::shared_ptr<arrow::Array> texts_at(const std::vector<int32_t>& offsets, const std::string& bytes) {
  return arrow::MakeArray(arrow::ArrayData::Make(arrow::utf8(), static_cast<int64_t>(offsets.size()) - 1,
                                                 {nullptr, buffer_of(offsets), arrow::Buffer::FromString(bytes)}));
}

std::shared_ptr<arrow::Array> places_in(const std::vector<int8_t>& indices, std::shared_ptr<arrow::Array> dictionary) {
  const auto data = arrow::ArrayData::Make(arrow::dictionary(arrow::int8(), arrow::utf8()),
                                           static_cast<int64_t>(indices.size()), {nullptr, buffer_of(indices)});
  data->dictionary = dictionary->data();
  return arrow::MakeArray(data);
}

// Batches of one column as a stream, or as a file.
std::string ipc_bytes(const std::vector<std::shared_ptr<arrow::Array>>& columns, bool as_file) {
  const auto schema = arrow::schema({arrow::field("val", columns.front()->type())});
  const auto sink = arrow::io::BufferOutputStream::Create().ValueOrDie();
  const auto writer = (as_file ? arrow::ipc::MakeFileWriter(sink, schema) : arrow::ipc::MakeStreamWriter(sink, schema));
  for (const auto& column : columns) {
    EXPECT_TRUE((*writer)->WriteRecordBatch(*arrow::RecordBatch::Make(schema, column->length(), {column})).ok());
  }
  EXPECT_TRUE((*writer)->Close().ok());
  return sink->Finish().ValueOrDie()->ToString();
}

Seen read_file(const std::string& bytes) {
  const std::string path = testing::TempDir() + fmt::format("signalbook_ipc_{}", ::getpid());
  std::ofstream(path, std::ios::binary) << bytes;
  Seen seen;
  const auto input = open_column_input(path);
  if (input.ok() && !(*input)->column_names().empty()) {
    seen.status = (*input)->scan({0}, [&](int64_t first_row, const Table& table) {
      for (size_t row = 0; row < table.row_count(); ++row) {
        seen.rows.push_back(
            fmt::format("{}={}", first_row + static_cast<int64_t>(row), text_of(table.columns[0], row)));
      }
      return Status();
    });
  } else {
    seen.status = input.status();
  }
  std::filesystem::remove(path);
  return seen;
}

// What Arrow hands over as it came is looked at before it is followed.
TEST(IpcInput, ContentsAreChecked) {
  const auto good = texts_at({0, 1, 2}, "ab");
  const auto good_places = places_in({0, 1}, good);
  for (const auto& [before, bad] :
       {std::pair(good, texts_at({0, 1, 2'000'000'000}, "ab")), std::pair(good, texts_at({0, -5, 2}, "ab")),
        std::pair(good, texts_at({0, 2, 1}, "ab")), std::pair(good, texts_at({0, 1, 2}, "a\xff")),
        std::pair(good_places, places_in({0, 7}, good)), std::pair(good_places, places_in({-3, 0}, good))}) {
    const Seen stream = read_all({ipc_bytes({before, bad}, false)}), file = read_file(ipc_bytes({before, bad}, true));
    for (const Seen& seen : {stream, file}) {
      EXPECT_EQ(seen.rows.size(), 2u) << seen;
      EXPECT_EQ(seen.status.code(), StatusCode::invalid);
    }
    EXPECT_TRUE(stream.status.message().starts_with("row 3: not a readable Arrow IPC stream: ")) << stream;
    EXPECT_TRUE(file.status.message().starts_with("rows from 3 on: not a readable Arrow IPC file: ")) << file;
  }
}

// Every bit of a stream and of a file is wrong once: whatever that says, nothing else is read for it, and no text is
// handed over that is none.
TEST(IpcInput, EveryBitFlipped) {
  const auto long_text = texts_at({0, 2, 2, 40}, "ab0123456789012345678901234567890123456789");
  const auto dictionary = texts_at({0, 1, 3}, "a\xc3\xa4");
  arrow::LargeStringBuilder large;
  arrow::StringViewBuilder views;
  for (const char* text : {"short", "a text that is too long to be kept in its view"}) {
    EXPECT_TRUE(large.Append(text).ok() && views.Append(text).ok());
  }
  const std::vector<std::vector<std::shared_ptr<arrow::Array>>> columns = {
      {long_text, texts_at({0, 1}, "b")},
      {places_in({0, 1, 1}, dictionary), places_in({1}, texts_at({0, 1, 3, 4}, "a\xc3\xa4z"))},
      {large.Finish().ValueOrDie()},
      {views.Finish().ValueOrDie()}};
  for (const auto& column : columns) {
    for (const bool as_file : {false, true}) {
      if (as_file && column.front()->type_id() == arrow::Type::DICTIONARY) continue;  // a file has one dictionary
      const std::string whole = ipc_bytes(column, as_file);
      ASSERT_TRUE((as_file ? read_file(whole) : read_all({whole})).status.ok());
      for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
        std::string flipped = whole;
        flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
        const Seen seen = as_file ? read_file(flipped) : read_all({flipped});
        ASSERT_NE(seen.status.code(), StatusCode::io_error) << bit << seen;
        for (const std::string& row : seen.rows) {
          const std::string cell = row.substr(std::min(row.find('='), row.size()));  // behind the column's name
          ASSERT_EQ(to_valid_utf8(cell), cell) << bit;
        }
      }
    }
  }
}

// Two streams one behind the other are not one, and half of them must not pass for all.
TEST(IpcInput, BehindTheEnd) {
  const std::string one = arrow_stream(2, true);
  for (const std::string& more : {one, std::string("\n"), std::string("garbage"), std::string(8, '\0')}) {
    const Seen seen = read_all({one + more});
    EXPECT_EQ(seen.rows.size(), 3u);
    EXPECT_EQ(seen.status.code(), StatusCode::invalid);
    EXPECT_TRUE(seen.status.message().starts_with("row 4: there are bytes behind the end")) << seen;
    EXPECT_FALSE(seen.ended);
    EXPECT_EQ(read_file(one + more).status.code(), StatusCode::invalid) << more;
  }
  // A writer that is closed twice ends its stream twice, and loses nothing.
  const std::string end = one.substr(one.size() - 8);
  for (const std::string& more : {end, end + end, end.substr(0, 3)}) {
    EXPECT_TRUE(read_all({one + more}).ended);
    EXPECT_TRUE(read_all({one + more}).status.ok() && read_file(one + more).status.ok());
  }
  // What has not come by then is not waited for: the pipe may stay open.
  Pieces source({one, "garbage"});
  auto input = open_stream_input(source.open(), {});
  ASSERT_TRUE(input.ok());
  EXPECT_TRUE((*input)->scan({0}, [](int64_t, const Table&) { return Status(); }).ok() && (*input)->is_ended());
  EXPECT_EQ(source.written(), 1u);
}

TEST(StreamInput, OtherFormatsAreNamed) {
  using std::string_literals::operator""s;
  for (const auto& [text, name] :
       {std::pair("\x1f\x8b\x08\0\0\0\0\0"s, "gzip"), std::pair("\xff\xfei\0d\0x\0\n\0"s, "UTF-16"),
        std::pair("\xfe\xff\0i\0d\0x\0\n"s, "UTF-16"), std::pair("i\0d\0x\0,\0v\0\n\0"s, "UTF-16"),
        std::pair("strategy_id;idx;val\na;1;1\n"s, "separated by ';'"),
        std::pair("\"idx\"\ts0\n1\t1\n"s, "separated by tabs"), std::pair("PK\x03\x04...."s, "zip"),
        std::pair("\x28\xb5\x2f\xfd....."s, "zstd")}) {
    std::vector<std::string> bytes;
    for (const char c : text) bytes.emplace_back(1, c);
    for (const Seen& seen : {read_all({text}), read_all(bytes), read_file(text)}) {
      EXPECT_EQ(seen.status.code(), StatusCode::invalid) << name;
      EXPECT_NE(seen.status.message().find("it looks like "), std::string::npos) << seen;
      EXPECT_NE(seen.status.message().find(name), std::string::npos) << seen;
    }
  }
  // Names that only have such characters in them are names.
  EXPECT_TRUE(read_all({"a;b\n1\n"}).status.ok() && read_all({"idx,a;b\n0,1\n"}).status.ok());
}

TEST(ByteStream, WaitsAsLongAsItIsAsked) {
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  int calls = 0;
  ByteStream bytes(pipe[0], -1, [&]() -> Result<std::optional<int>> {
    if (++calls < 3) return std::optional<int>(1);
    if (calls == 3) {
      EXPECT_EQ(::write(pipe[1], "abc", 3), 3);
      return std::optional<int>();
    }
    return Status::io_error("enough");
  });
  std::string text;
  EXPECT_TRUE(bytes.read(&text).ok());
  EXPECT_EQ(text, "abc");
  EXPECT_EQ(bytes.read(&text).message(), "enough");
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST(ByteStream, IsWokenUp) {
  int pipe[2], wake[2];
  ASSERT_TRUE(::pipe(pipe) == 0 && ::pipe(wake) == 0);
  ASSERT_EQ(::write(wake[1], "", 1), 1);
  int calls = 0;
  ByteStream bytes(pipe[0], wake[0], [&]() -> Result<std::optional<int>> {
    if (++calls > 1) return Status::io_error("interrupted");
    return std::optional<int>();
  });
  std::string text;
  EXPECT_EQ(bytes.read(&text).message(), "interrupted");
  for (const int descriptor : {pipe[0], pipe[1], wake[0], wake[1]}) ::close(descriptor);
}

}  // namespace
}  // namespace signalbook
