// CowBytes: reads and writes cut at page borders; a shared page is copied before it is written.
#include "tests/support/cow_bytes.h"

#include <algorithm>
#include <cstring>

#include "ddsnap/base/result.h"

namespace ddsnap::test {

namespace {

// Calls act(offset, bytes of this page) for each page that the range touches.
template <class Act>
void for_each_page(std::uint64_t offset_bytes, std::uint64_t length_bytes, Act act) {
  const std::uint64_t end = offset_bytes + length_bytes;
  while (offset_bytes < end) {
    const std::uint64_t in_page = offset_bytes % CowBytes::kPageBytes;
    const std::size_t piece =
        std::min<std::uint64_t>(CowBytes::kPageBytes - in_page, end - offset_bytes);
    act(offset_bytes, piece);
    offset_bytes += piece;
  }
}

}  // namespace

CowBytes::CowBytes(std::uint64_t size_bytes)
    : size_bytes_(size_bytes), pages_((size_bytes + kPageBytes - 1) / kPageBytes) {}

CowBytes::Page& CowBytes::writable_page(std::uint64_t offset_bytes) {
  std::shared_ptr<Page>& page = pages_[offset_bytes / kPageBytes];
  if (!page)
    page = std::make_shared<Page>();
  else if (page.use_count() > 1)
    page = std::make_shared<Page>(*page);
  return *page;
}

void CowBytes::read(std::uint64_t offset_bytes, std::span<std::byte> into) const {
  DD_CHECK(offset_bytes + into.size() <= size_bytes_);
  std::byte* out = into.data();
  for_each_page(offset_bytes, into.size(), [&](std::uint64_t offset, std::size_t piece) {
    const std::shared_ptr<Page>& page = pages_[offset / kPageBytes];
    if (page)
      std::memcpy(out, page->data() + offset % kPageBytes, piece);
    else
      std::memset(out, 0, piece);
    out += piece;
  });
}

void CowBytes::write(std::uint64_t offset_bytes, std::span<const std::byte> from) {
  DD_CHECK(offset_bytes + from.size() <= size_bytes_);
  const std::byte* in = from.data();
  for_each_page(offset_bytes, from.size(), [&](std::uint64_t offset, std::size_t piece) {
    std::memcpy(writable_page(offset).data() + offset % kPageBytes, in, piece);
    in += piece;
  });
}

void CowBytes::fill(std::uint64_t offset_bytes, std::uint64_t length_bytes, std::byte value) {
  DD_CHECK(offset_bytes + length_bytes <= size_bytes_);
  for_each_page(offset_bytes, length_bytes, [&](std::uint64_t offset, std::size_t piece) {
    std::shared_ptr<Page>& page = pages_[offset / kPageBytes];
    if (value == std::byte{0} && (piece == kPageBytes || !page))
      page.reset();
    else
      std::memset(writable_page(offset).data() + offset % kPageBytes, static_cast<int>(value),
                  piece);
  });
}

std::vector<std::byte> CowBytes::to_vector() const {
  std::vector<std::byte> all(size_bytes_);
  read(0, all);
  return all;
}

bool operator==(const CowBytes& a, const CowBytes& b) {
  if (a.size_bytes_ != b.size_bytes_) return false;
  static constexpr CowBytes::Page kZeroPage{};
  for (std::size_t i = 0; i < a.pages_.size(); ++i) {
    if (a.pages_[i] == b.pages_[i]) continue;
    const CowBytes::Page& left = a.pages_[i] ? *a.pages_[i] : kZeroPage;
    const CowBytes::Page& right = b.pages_[i] ? *b.pages_[i] : kZeroPage;
    if (left != right) return false;
  }
  return true;
}

}  // namespace ddsnap::test
