#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "store/verify_run.h"

namespace signalbook {

// What a verification tells, one thread at a time, and what it counts.
class VerifyLog {
 public:
  using Lines = std::vector<std::pair<Finding::Kind, std::string>>;

  explicit VerifyLog(const std::function<void(const Finding&)>& report) : report_(report) {}

  void set_run(const std::string& run_id) { run_id_ = run_id; }
  const std::string& run_id() const { return run_id_; }

  void tell(Finding::Kind kind, const std::string& what);
  // Cases of damage of one file.
  void tell_all(const std::string& name, const std::vector<std::string>& faults);
  void tell_lines(const Lines& lines);

  // Takes what is told while it lives, where that may not count in the end. One inside another is fine.
  class Hold {
   public:
    explicit Hold(VerifyLog& log) : log_(log), outer_(std::exchange(log.held_, &lines_)) {}
    ~Hold() { log_.held_ = outer_; }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    Lines& lines() { return lines_; }
    bool has(Finding::Kind kind) const;

   private:
    VerifyLog& log_;
    Lines lines_;
    Lines* outer_;
  };

  VerifySummary summary;

 private:
  const std::function<void(const Finding&)>& report_;
  std::string run_id_;
  Lines* held_ = nullptr;
};

// Of a file whose bytes are others: by its size where that is another.
std::string describe_other_bytes(const std::string& name, int64_t found_size, int64_t recorded_size);

}  // namespace signalbook
