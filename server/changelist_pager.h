// Changelists, a page at a time: which chunks differ between two boundaries, and what hash each
// had in the older one.
//
// Shape     Pages are parked and answered one a turn (T7). The bitmap of a list that has more is
//           kept for its session; a few are, the rest is computed again.
//           Between sizes, every chunk from the smaller end up is listed (D6); the hash of the
//           chunk that the smaller end cuts is unknown.
// Errors    kNotFound for a tag, kDropped for a boundary that the full-store policy gave up,
//           kUsage for FROM not older than TO; whatever the store says.
// Threads   None inside.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <roaring/roaring.hh>
#include <string>
#include <vector>

#include "ddsnap/wire/cli_messages.h"
#include "server/parked_questions.h"
#include "server/volume_parts.h"

namespace ddsnap {

class ChangelistPager {
 public:
  explicit ChangelistPager(VolumeParts parts) : parts_(parts) {}

  void park(SessionId session, std::uint64_t request_id, GetChangelistMessage message) {
    parked_.park(session, request_id, std::move(message));
  }
  std::size_t count_of(SessionId session) const { return parked_.count_of(session); }
  void forget(SessionId session);
  bool has_parked() const { return !parked_.is_empty(); }
  // Answers one page.
  void run();

 private:
  struct Ends {
    BoundaryFacts from;
    std::optional<BoundaryFacts> to;  // none: now
    std::uint64_t to_bytes = 0;
  };
  struct Cached {
    SessionId session;
    Epoch from;
    Epoch to;
    Roaring chunks;
  };

  Result<ChangelistPartMessage> page(SessionId session, const GetChangelistMessage& message);
  Result<Ends> find_ends(const GetChangelistMessage& message) const;
  Result<BoundaryFacts> find_boundary(const std::string& tag) const;
  Result<Cached> chunks_between(SessionId session, const Ends& ends, bool is_first_page);
  Roaring beyond_smaller_end(const Ends& ends) const;
  Status add_hashes(const Ends& ends, std::vector<ChangelistPartMessage::Entry>& entries);

  VolumeParts parts_;
  ParkedQuestions<GetChangelistMessage> parked_;
  std::deque<Cached> cache_;
};

}  // namespace ddsnap
