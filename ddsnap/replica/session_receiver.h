// The other side of session_sender.h: one session, from the sender's first message to its end.
//
// Shape     What the sender wants is judged before anything is written; each window is durable
//           before the sender hears of it. What it says wrong ends the session, and it is told why.
// Errors    Those of the session, for the log. A sender that hangs up when nothing is under way is
//           none.
// Threads   Those of the context for each window, ended with it.
// Lifetime  Borrows everything for the call. The channel is of no use afterwards.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "ddsnap/base/log.h"
#include "ddsnap/base/work_context.h"
#include "ddsnap/replica/channel.h"
#include "ddsnap/replica/session_target.h"

namespace ddsnap {

struct ReceiverOptions {
  // What the sender's name for a volume means; kNotFound for one that it may not have.
  std::function<Result<std::unique_ptr<SessionTarget>>(const std::string& volume)> open;
  std::uint64_t hello_patience_ms = kSessionHelloPatience_ms;
  std::uint64_t patience_ms = kSessionPatience_ms;
};

Status serve_session(Channel& channel, const ReceiverOptions& options, LogSink& log,
                     WorkContext& context);

}  // namespace ddsnap
