// One batch on its way through one NBD connection: cut into pieces, many in flight, statuses
// gathered.
//
// Errors    In the requests: the first error of a request's pieces; kDisconnected once the
//           connection is lost.
// Threads   None inside. Lifetime: one run().
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "ddsnap/io/block_device.h"

struct nbd_handle;

namespace ddsnap {

// The error of the last libnbd call of this thread that failed: kDisconnected where the connection
// is lost, else by its errno.
Status nbd_error(nbd_handle* handle, std::string_view what, const std::string& name);

class NbdBatch {
 public:
  NbdBatch(nbd_handle* handle, const std::string& name, std::span<IoRequest> requests,
           std::size_t max_piece_bytes);

  // Returns when nothing is in flight any more.
  void run();

 private:
  struct Piece {
    IoRequest* request = nullptr;
    std::uint64_t done_bytes = 0;  // of the request, before this piece
    std::size_t length_bytes = 0;
  };

  void issue(const Piece& piece);
  void retire_completed();
  void fail_in_flight(const Status& why);

  nbd_handle* const handle_;
  const std::string& name_;
  std::vector<Piece> pieces_;
  std::unordered_map<std::int64_t, IoRequest*> in_flight_;  // by libnbd's cookie
};

}  // namespace ddsnap
