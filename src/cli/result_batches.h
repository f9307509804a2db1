#pragma once

#include <cstdint>

#include "base/status.h"

struct ArrowArray;
struct ArrowArrayStream;
struct ArrowSchema;

namespace signalbook::cli {

// A result batch by batch, up to a limit of rows, in plain C structs. Releases the stream.
class ResultBatches {
 public:
  ResultBatches(ArrowArrayStream* stream, int64_t limit) : stream_(stream), left_(limit) {}  // -1 is no limit
  ~ResultBatches();
  ResultBatches(const ResultBatches&) = delete;
  ResultBatches& operator=(const ResultBatches&) = delete;

  // First of all. The caller releases the schema.
  Status read_schema(ArrowSchema* schema);

  // How many rows to take from the front of the next batch, which the caller releases; 0 at the end, without a batch.
  Result<int64_t> next(ArrowArray* batch);

  // Whether the limit left rows out.
  Result<bool> has_more();

 private:
  Result<bool> read(ArrowArray* batch);
  Status failure(int code);

  ArrowArrayStream* stream_;
  int64_t left_;
  bool has_more_ = false;
};

}  // namespace signalbook::cli
