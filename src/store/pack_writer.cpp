#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <utility>

#include "base/time_text.h"
#include "base/utf8.h"
#include "format/file_names.h"
#include "store/pack_file.h"
#include "store/trace_writer.h"

namespace signalbook {

namespace {

class PackWriter : public TraceWriter {
 public:
  PackWriter(StagedFiles& staged, BarsOfFeed bars, const PackOptions& options, size_t threads)
      : staged_(staged), bars_(std::move(bars)), options_(options), threads_(threads) {}

  Status write(std::span<const TraceToWrite> traces) override {
    for (const TraceToWrite& item : traces) SB_RETURN_IF_ERROR(write_one(*item.trace, *item.row));
    return Status();
  }

  Status finish(std::vector<RunDescription::File>& files) override {
    for (auto& [key, pack] : open_) SB_RETURN_IF_ERROR(close(pack));
    open_.clear();
    for (RunDescription::File& file : closed_) byte_count_ += file.size;
    std::ranges::move(closed_, std::back_inserter(files));
    return Status();
  }

  int64_t byte_count() const override { return byte_count_; }

 private:
  struct Pack {
    std::string path;
    std::unique_ptr<StagedFile> file;
    std::unique_ptr<PackFileEncoder> encoder;
  };

  Status write_one(const RecordedTrace& trace, IndexRow& row) {
    const std::pair key(trace.feed, row.kind);
    const auto place = open_.find(key);
    if (place != open_.end() && place->second.encoder->byte_count() >= options_.most_bytes) {
      SB_RETURN_IF_ERROR(close(place->second));
      open_.erase(place);
    }
    Pack& pack = open_[key];
    if (pack.encoder == nullptr) SB_RETURN_IF_ERROR(open(trace, row, pack));
    row.pack = pack.path;
    row.row_start = pack.encoder->row_count();
    PackedTrace packed = {.trace_id = row.trace_id,
                          .strategy_hash = {},
                          .strategy_config = row.strategy_config,
                          .strategy_id = {},
                          .bar_count = row.bar_count,
                          .changes = &trace.changes,
                          .px = {}};
    const std::string hash = row.strategy_hash(), id = to_valid_utf8(row.strategy_id);
    packed.strategy_hash = hash;
    packed.strategy_id = id;
    if (!trace.prices.empty()) {
      packed.px.assign(trace.changes.size(), std::nan(""));
      for (const auto& [change, price] : trace.prices) packed.px[change] = price;
    }
    return pack.encoder->append(packed);
  }

  Status open(const RecordedTrace& trace, const IndexRow& row, Pack& pack) {
    const std::string directory = feed_directory(row.trace_path);
    pack.path = pack_path(directory, row.kind, counts_[{directory, row.kind}]++);
    SB_ASSIGN_OR_RETURN(pack.file, staged_.create(pack.path));
    const Bars& bars = bars_(trace.feed);
    PackDescription about = {.symbol = row.symbol,
                             .timeframe = row.timeframe,
                             .data_id = row.data_id,
                             .kind = row.kind,
                             .creation_time = format_time(row.created_at)};
    if (options_.columns == PackColumns::full) {
      about.ts = &bars.ts;
      about.close = &bars.close;
    }
    pack.encoder = std::make_unique<PackFileEncoder>(std::move(about), pack.file->sink(), threads_);
    return Status();
  }

  Status close(Pack& pack) {
    SB_RETURN_IF_ERROR(pack.encoder->finish());
    pack.encoder.reset();
    const RunDescription::FileVersion version = pack.file->finish();
    closed_.push_back({.path = pack.path, .size = version.size, .sha256 = version.sha256});
    return Status();
  }

  StagedFiles& staged_;
  BarsOfFeed bars_;
  PackOptions options_;
  size_t threads_;
  std::map<std::pair<size_t, SignalKind>, Pack> open_;
  std::map<std::pair<std::string, SignalKind>, int> counts_;  // of the packs of a directory
  std::vector<RunDescription::File> closed_;
  int64_t byte_count_ = 0;
};

}  // namespace

std::unique_ptr<TraceWriter> make_pack_writer(StagedFiles& staged, BarsOfFeed bars, const PackOptions& options,
                                              size_t threads) {
  return std::make_unique<PackWriter>(staged, std::move(bars), options, threads);
}

}  // namespace signalbook
