#include <fmt/format.h>

#include <algorithm>
#include <mutex>

#include "base/parallel_for.h"
#include "store/strategy_row.h"
#include "store/trace_file.h"
#include "store/trace_writer.h"

namespace signalbook {

namespace {

class TraceFilesWriter : public TraceWriter {
 public:
  TraceFilesWriter(StagedFiles& staged, BarsOfFeed bars, size_t threads)
      : staged_(staged), bars_(std::move(bars)), threads_(threads) {}

  Status write(std::span<const TraceToWrite> traces) override {
    for (const TraceToWrite& item : traces) SB_RETURN_IF_ERROR(staged_.claim(item.row->trace_path));
    SB_RETURN_IF_ERROR(parallel_for(traces.size(), threads_, [&](size_t i) -> Status {
      std::unique_ptr<Encoder> encoder = take_encoder();
      const Status status = write_one(*encoder, traces[i]);
      give_back(std::move(encoder));
      return status.at(fmt::format("strategy {}", traces[i].row->strategy_id));
    }));
    for (const TraceToWrite& item : traces) byte_count_ += item.row->file_size;
    return Status();
  }

  Status finish(std::vector<RunDescription::File>&) override { return Status(); }
  int64_t byte_count() const override { return byte_count_; }

 private:
  struct Encoder {
    TraceFileEncoder file;
    std::vector<int64_t> ts;
    std::vector<double> px;
  };

  std::unique_ptr<Encoder> take_encoder() {
    const std::lock_guard lock(mutex_);
    if (encoders_.empty()) return std::make_unique<Encoder>();
    std::unique_ptr<Encoder> encoder = std::move(encoders_.back());
    encoders_.pop_back();
    return encoder;
  }
  void give_back(std::unique_ptr<Encoder> encoder) {
    const std::lock_guard lock(mutex_);
    encoders_.push_back(std::move(encoder));
  }

  Status write_one(Encoder& encoder, const TraceToWrite& item) {
    const RecordedTrace& trace = *item.trace;
    IndexRow& row = *item.row;
    const Bars& bars = bars_(trace.feed);
    encoder.ts.resize(trace.changes.size());
    encoder.px.resize(trace.changes.size());
    for (size_t i = 0; i < trace.changes.size(); ++i) {
      const auto bar = static_cast<size_t>(trace.changes.idx[i]);
      encoder.ts[i] = bars.ts[bar];
      encoder.px[i] = bars.close[bar];
    }
    for (const auto& [change, price] : trace.prices) encoder.px[change] = price;
    SB_ASSIGN_OR_RETURN(const std::string_view bytes,
                        encoder.file.encode(describe_trace(row), trace.changes, encoder.ts, encoder.px));
    row.file_size = static_cast<int64_t>(bytes.size());
    row.file_sha256 = sha256(bytes);
    return staged_.write_claimed(row.trace_path, bytes);
  }

  StagedFiles& staged_;
  BarsOfFeed bars_;
  size_t threads_;
  int64_t byte_count_ = 0;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Encoder>> encoders_;  // of threads that are done with them
};

}  // namespace

std::unique_ptr<TraceWriter> make_trace_files_writer(StagedFiles& staged, BarsOfFeed bars, size_t threads) {
  return std::make_unique<TraceFilesWriter>(staged, std::move(bars), threads);
}

}  // namespace signalbook
