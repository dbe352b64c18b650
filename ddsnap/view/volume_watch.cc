#include "ddsnap/view/volume_watch.h"

#include <algorithm>

#include "ddsnap/delta/atomic_file.h"
#include "ddsnap/replica/text_file.h"
#include "ddsnap/view/page_json.h"

namespace ddsnap {

namespace {

constexpr std::size_t kPageRows = 64;
constexpr std::size_t kPageColumns = 96;

// A volume's name as the name of a file.
std::string file_name(const VolumeName& volume) {
  std::string name = volume.name;
  std::ranges::replace_if(
      name, [](char c) { return c == '/' || c == '@' || static_cast<unsigned char>(c) <= 0x20; },
      '_');
  return name + ".history.json";
}

ChangeMatrix read_changes(ChangeMatrixReader& reader, const VolumeFacts& facts) {
  if (facts.unreachable) return {};
  auto client = ServerClient::connect(facts.volume.server);
  if (!client) return {};
  const auto matrix = reader.read(*client, facts.status, facts.snapshots,
                                  {.rows = kPageRows, .columns = kPageColumns});
  return matrix ? *matrix : ChangeMatrix{};
}

}  // namespace

VolumeWatch::VolumeWatch(VolumeName volume, std::string config_folder,
                         const std::string& history_folder)
    : volume_(std::move(volume)),
      config_folder_(std::move(config_folder)),
      history_path_(history_folder.empty() ? "" : history_folder + "/" + file_name(volume_)),
      facts_{.volume = volume_, .unreachable = Error{.text = "it was not asked yet"}},
      json_(page_json(facts_, {}, {}, 0)) {}

Status VolumeWatch::look(std::int64_t now_s) {
  VolumeFacts facts = read_volume(volume_, config_folder_);
  const ChangeMatrix matrix = read_changes(changes_, facts);
  Status kept = keep_history(now_s, facts);
  std::string json = page_json(facts, matrix, history_, now_s);
  const std::lock_guard lock(mutex_);
  facts_ = std::move(facts);
  json_ = std::move(json);
  return kept;
}

Status VolumeWatch::keep_history(std::int64_t now_s, const VolumeFacts& facts) {
  if (!is_history_loaded_ && !history_path_.empty()) {
    is_history_loaded_ = true;
    auto loaded = History::load(history_path_);
    if (!loaded) return std::unexpected(loaded.error());
    history_ = *std::move(loaded);
  }
  if (!history_.add(facts, now_s) || history_path_.empty()) return {};
  DD_TRY(make_folder(folder_of(history_path_)));
  return history_.save(history_path_);
}

std::string VolumeWatch::json() const {
  const std::lock_guard lock(mutex_);
  return json_;
}

VolumeFacts VolumeWatch::facts() const {
  const std::lock_guard lock(mutex_);
  return facts_;
}

}  // namespace ddsnap
