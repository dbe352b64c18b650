// Errors as values: Result<T>, Status, and the two functions that make an Error.
//
// Errors    An Error is a code, an errno (or 0) and one sentence. A code exists only where some
// caller acts on it.
//           The layer that knows the object's name adds it, once, with with_context().
// Threads   Plain values; no state.
#pragma once

#include <expected>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>

namespace ddsnap {

enum class ErrorCode {
  kFailed = 1,      // anything that no caller treats specially
  kUsage,           // the caller asked for something that can never work; exit status 2
  kDamaged,         // stored or received bytes are not what was written; exit status 3
  kNotFound,        // exit status 4
  kBusy,            // try again later; exit status 5
  kExists,          // the name is taken
  kNoSpace,         // no room left on a device or in a store
  kIo,              // a device or socket failed; Error::sys_errno says how
  kNotInitialized,  // no snapstore here
  kVersion,         // a format or protocol that this program does not speak
  kDisconnected,    // the peer is gone; the request may or may not have happened
  kDropped,         // the snapshot was given up to make room
  kInterrupted,     // somebody wanted it to end; exit status 130, as a shell has it for Ctrl-C
};

struct Error {
  ErrorCode code = ErrorCode::kFailed;
  int sys_errno = 0;
  std::string text;

  // One line for a person: the sentence, and the errno's text where there is one.
  std::string message() const;
};

template <class T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

[[nodiscard]] std::unexpected<Error> fail(ErrorCode code, std::string text);

// Takes errno as it stands; `what` is the failed act ("cannot open"), `name` the object. ENOSPC
// becomes kNoSpace, ENOENT kNotFound, EBUSY and EAGAIN kBusy, everything else kIo.
[[nodiscard]] std::unexpected<Error> fail_errno(std::string_view what, std::string_view name);
[[nodiscard]] std::unexpected<Error> fail_errno(std::string_view what, std::string_view name,
                                                int sys_errno);

// The same error with "context: " in front of its sentence.
[[nodiscard]] std::unexpected<Error> with_context(std::string_view context, Error error);

// The process exit status for an error (1 failed, 2 usage, 3 damage, 4 not found, 5 busy, 130
// interrupted).
int exit_status(const Error& error);

// Ends the process with a message: a mistake of ours, never reachable from bytes of a disk or a
// socket.
[[noreturn]] void check_failed(const char* expression,
                               std::source_location where = std::source_location::current());

}  // namespace ddsnap

// The value of a Result, or return its error from the enclosing function.
#define DD_TRY(...)                                                               \
  __extension__({                                                                 \
    auto dd_try_result = (__VA_ARGS__);                                           \
    if (!dd_try_result) return std::unexpected(std::move(dd_try_result).error()); \
    *std::move(dd_try_result);                                                    \
  })

#define DD_CHECK(expression)                                \
  do {                                                      \
    if (!(expression)) ::ddsnap::check_failed(#expression); \
  } while (false)
