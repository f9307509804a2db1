#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/digest.h"
#include "format/content_hash.h"
#include "store/run_description.h"
#include "store/strategy_index.h"
#include "store/verify_run.h"

namespace signalbook {

// Traces of several runs beside each other: those that should be equal and are not, and strategies that share the 12
// digits of a hash.
class TraceConflicts {
 public:
  void keep(const std::string& run_id, const RunDescription& description, const std::vector<IndexRow>& rows);
  void keep_components(std::span<const Digest> digests) { components_.insert(digests.begin(), digests.end()); }

  using Tell = std::function<void(Finding::Kind, const std::string&)>;
  void report(const Tell& tell);

 private:
  // One trace of a store, as far as it is compared with others; a million of them are held.
  struct KnownTrace {
    Digest digest;
    uint32_t feed, code;  // numbers of texts: symbol, timeframe and data_id; code_version
    TraceHash trace_hash;
    uint32_t run;
  };

  class Texts {
   public:
    uint32_t number_of(const std::string& text) {
      return numbers_.emplace(text, static_cast<uint32_t>(numbers_.size())).first->second;
    }

   private:
    std::map<std::string, uint32_t> numbers_;
  };

  void report_conflict(std::span<const KnownTrace> traces, const Tell& tell);
  void report_collisions(const Tell& tell);

  std::vector<std::string> run_ids_;
  std::vector<KnownTrace> traces_;
  std::set<Digest> components_;
  Texts feeds_, codes_;
};

}  // namespace signalbook
