#pragma once

#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace signalbook {

// What went wrong, coarse enough to decide what a program does next. The command line exits with these numbers
// (success is 0), so they may not change.
enum class StatusCode {
  ok = 0,
  not_found = 1,  // what was asked for is not there, or a check failed
  invalid = 2,    // the caller's input or usage is wrong
  damaged = 3,    // stored bytes are not what was written
  io_error = 4,   // the operating system refused
};

// Success, or a code and a message that says what, where (file, row, strategy) and what to do next.
class [[nodiscard]] Status {
 public:
  Status() = default;
  static Status not_found(std::string message) { return {StatusCode::not_found, std::move(message)}; }
  static Status invalid(std::string message) { return {StatusCode::invalid, std::move(message)}; }
  static Status damaged(std::string message) { return {StatusCode::damaged, std::move(message)}; }
  static Status io_error(std::string message) { return {StatusCode::io_error, std::move(message)}; }

  bool ok() const { return code_ == StatusCode::ok; }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }

  // The same failure with its place in front: "signals.csv: row 12: ...".
  Status at(const std::string& place) const { return ok() ? *this : Status(code_, place + ": " + message_); }
  // The same failure with what to do behind it.
  Status with(const std::string& advice) const { return ok() ? *this : Status(code_, message_ + advice); }
  // The same failure in these words.
  Status saying(std::string message) const { return ok() ? *this : Status(code_, std::move(message)); }

 private:
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  StatusCode code_ = StatusCode::ok;
  std::string message_;
};

// A value, or why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}        // NOLINT: implicit on purpose
  Result(Status status) : state_(std::in_place_index<1>, std::move(status)) {  // NOLINT: implicit on purpose
    assert(!std::get<1>(state_).ok());
  }

  bool ok() const { return state_.index() == 0; }
  Status status() const { return ok() ? Status() : std::get<1>(state_); }

  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }

  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Status> state_;
};

}  // namespace signalbook

// The two shapes in which a failure travels up. A macro because C++ has no other way to return for its caller.
#define SB_CONCAT_INNER(a, b) a##b
#define SB_CONCAT(a, b) SB_CONCAT_INNER(a, b)

#define SB_RETURN_IF_ERROR(expression)                                    \
  do {                                                                    \
    if (::signalbook::Status sb_status = (expression); !sb_status.ok()) { \
      return sb_status;                                                   \
    }                                                                     \
  } while (false)

#define SB_ASSIGN_OR_RETURN(declaration, expression) \
  SB_ASSIGN_OR_RETURN_INNER(SB_CONCAT(sb_result_, __LINE__), declaration, expression)
#define SB_ASSIGN_OR_RETURN_INNER(result, declaration, expression) \
  auto result = (expression);                                      \
  if (!result.ok()) return result.status();                        \
  declaration = std::move(result).value()
