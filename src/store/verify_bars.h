#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "format/bars.h"
#include "store/run_description.h"
#include "store/strategy_index.h"
#include "store/verify_log.h"

namespace signalbook {

// The bars of a store's runs: those of each feed are there and are those that the run was recorded on. A file that
// several runs share is read once, and named by each of them.
class BarsCheck {
 public:
  BarsCheck(FileSystem& files, std::string store_path, bool is_deep, VerifyLog& log)
      : files_(files), store_path_(std::move(store_path)), is_deep_(is_deep), log_(log) {}

  void check_run(const RunDescription& description, const std::vector<IndexRow>& rows);
  // Those of the run that was looked at last, where all is looked into and they are whole; else nullptr.
  const Bars* find(const std::string& data_id_hex) const;
  // Whether a run that was looked at refers to them.
  bool is_known(const std::string& data_id_hex) const { return bars_.contains(data_id_hex); }

 private:
  struct BarsFile {
    std::string fault;  // empty while it is there and nothing is known to be wrong with it
    int64_t size = 0;
    std::string sha256;
    bool is_decoded = false;
    std::optional<Bars> bars;  // kept for the run that is looked at, when its traces are held against them
  };

  void check_feed(const RunDescription::Feed& feed);
  BarsFile& read(const std::string& data_id_hex);
  void decode(const std::string& data_id_hex, BarsFile& file, const std::string& bytes) const;

  FileSystem& files_;
  std::string store_path_;
  bool is_deep_;
  VerifyLog& log_;
  std::map<std::string, BarsFile> bars_;  // by data_id
};

}  // namespace signalbook
