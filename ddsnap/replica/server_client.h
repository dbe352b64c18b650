// What the verbs ask a server: one call a question, lists put together from their pages.
//
// Errors    As the server answered, the server's address in front. kNotFound, kDisconnected or
//           kBusy when there is no server to answer.
// Threads   None inside; one verb, one client.
#pragma once

#include <string>
#include <vector>

#include "ddsnap/base/limits.h"
#include "ddsnap/base/result.h"
#include "ddsnap/delta/changelist.h"
#include "ddsnap/wire/cli_messages.h"
#include "ddsnap/wire/connection.h"

namespace ddsnap {

class ServerClient {
 public:
  static Result<ServerClient> connect(const std::string& address);
  const std::string& address() const { return address_; }

  // Asked again, with the same uuid, when the answer is lost: the snapshot is made once (S6).
  Status create(const CreateSnapshotMessage& request);
  // One snapshot in two steps; the barrier is held between them (PROTOCOL.md, section 4.4).
  Status prepare(const PrepareSnapshotMessage& request);
  // Asked again when the answer is lost: a second commit says what became of the first.
  Status commit(const CommitSnapshotMessage& request, std::uint64_t timeout_ms);
  Status abort(const AbortSnapshotMessage& request, std::uint64_t timeout_ms);
  Status remove(const DeleteSnapshotMessage& request);
  Status set_priority(const SetPriorityMessage& request);
  Result<UseCountMessage> add_use_count(const AddUseCountMessage& request);
  Status force_detach(const ForceDetachMessage& request);

  Result<ResizedMessage> resize(const ResizeMessage& request);
  Result<CheckPartMessage> check(const CheckStoreMessage& request);
  Result<ServerStatusMessage> status();
  // Oldest first.
  Result<std::vector<SnapshotEntry>> snapshots();
  Result<std::vector<TargetEntry>> targets();
  // Of the snapshots, in their order.
  Result<std::vector<SpaceEntry>> space();
  // One part: what came after that number.
  Result<EventListMessage> events(std::uint64_t after);
  Result<Changelist> changelist(const std::string& from_tag, const std::string& to_tag);

 private:
  ServerClient(std::string address, Connection connection)
      : address_(std::move(address)), connection_(std::move(connection)) {}
  template <class Answer, class Request>
  Result<Answer> ask(const Request& request, std::uint64_t timeout_ms = kAnswerTimeout_ms);
  Status reconnect();

  std::string address_;
  Connection connection_;
};

}  // namespace ddsnap
