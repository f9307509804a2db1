#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/digest.h"
#include "base/file_system.h"
#include "base/status.h"
#include "format/strategy_identity.h"
#include "store/store.h"

namespace signalbook {

// Which configurations need not be computed again: those with a complete trace on the same bars by the same code.
class CompletedTraces {
 public:
  // How far a configuration has come, best first.
  enum class State : uint8_t {
    complete,        // skip it
    other_code,      // complete, computed by other code
    other_spelling,  // complete with equal values in another spelling (2.0 for 2): another identity, look at it
    incomplete,      // there is a trace, and it does not reach its end
    missing,
  };
  struct Answer {
    State state = State::missing;
    std::string run_id;  // the first run that says so; empty when missing
  };

  // `data_id_hex` and `code_version` must be equal; runs that do not say which code it was count as one code.
  CompletedTraces(std::string data_id_hex, std::optional<std::string> code_version)
      : data_id_hex_(std::move(data_id_hex)), code_version_(std::move(code_version)) {}

  // A run, finished or being written: of one without an index the journals are read, and what is durable in them
  // counts. NotFound when it is neither.
  Status add_run(FileSystem& files, const std::string& run_path);
  // Every run of a store, the unfinished ones too; damaged ones are left out and told.
  Status add_store(FileSystem& files, const std::string& store_path, std::vector<std::string>* left_out);

  bool contains(const Digest& strategy_digest) const { return find(strategy_digest, {}).state == State::complete; }
  Answer find(const Digest& strategy_digest, const Digest& value_digest) const;

 private:
  struct Known {
    State state = State::missing;
    uint32_t run = 0;
  };
  struct DigestHash {
    size_t operator()(const Digest& digest) const;
  };

  State state_of(bool complete, const std::optional<std::string>& code_version) const;
  void add(const Digest& strategy_digest, const Digest& value_digest, State state);
  Status add_index(FileSystem& files, const std::string& run_path);
  Status add_journals(FileSystem& files, const std::string& run_path);

  std::string data_id_hex_;
  std::optional<std::string> code_version_;
  std::vector<std::string> run_ids_;
  std::unordered_map<Digest, Known, DigestHash> by_digest_;
  std::unordered_map<uint64_t, uint32_t> complete_by_value_;  // first 8 bytes of the value_digest -> run
};

}  // namespace signalbook
