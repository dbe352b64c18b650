#include "ddsnap/replica/inbox_plan.h"

#include <algorithm>
#include <set>

namespace ddsnap {

namespace {

// The deltas that can be reached from what the volume holds, one after the other.
class Ways {
 public:
  Ways(const InboxPlan& plan, const std::vector<HeldSnapshot>& held) : plan_(plan), held_(held) {}

  bool starts(const DeltaName& one) const {
    if (one.from.is_nil() ? !held_.empty() : find_held(held_, one.from) == nullptr) return false;
    return std::ranges::none_of(plan_.there, [&](const DeltaName& other) {
      return other.from == one.from && other.sequence > one.sequence;
    });
  }
  // All that a way leads to.
  std::set<DeltaName> reached(const std::vector<DeltaName>& deltas) const {
    std::set<DeltaName> reached;
    std::set<Uuid> ends;
    for (std::size_t before = ~std::size_t{0}; before != reached.size();) {
      before = reached.size();
      for (const DeltaName& one : deltas)
        if (starts(one) || ends.contains(one.from)) {
          reached.insert(one);
          ends.insert(one.to);
        }
    }
    return reached;
  }

 private:
  const InboxPlan& plan_;
  const std::vector<HeldSnapshot>& held_;
};

}  // namespace

InboxPlan plan_inbox(const std::vector<DeltaName>& deltas, const std::vector<HeldSnapshot>& held) {
  InboxPlan plan;
  std::vector<DeltaName> others;
  for (const DeltaName& one : deltas)
    (find_held(held, one.to) != nullptr ? plan.there : others).push_back(one);
  const Ways ways(plan, held);
  const std::set<DeltaName> reached = ways.reached(others);
  for (const DeltaName& one : others) {
    const bool is_late = !plan.there.empty() && one.sequence < plan.there.back().sequence;
    (is_late && !reached.contains(one) ? plan.overtaken : plan.waiting).push_back(one);
  }
  const auto next =
      std::ranges::find_if(plan.waiting, [&](const DeltaName& one) { return ways.starts(one); });
  if (next == plan.waiting.end()) return plan;
  plan.next = *next;
  for (const DeltaName& one : plan.waiting)
    if (one.from == next->from) plan.next = one;
  return plan;
}

}  // namespace ddsnap
