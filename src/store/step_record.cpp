// SPDX-License-Identifier: Apache-2.0
#include "store/step_record.hpp"

#include <unistd.h>

#include <ctime>

#include "util/error.hpp"
#include "util/json.hpp"

namespace bottle::store {
namespace {

constexpr std::uint64_t kRecordLimit = 1u << 20;

fs::path record_path(const fs::path& directory, std::string_view step) {
  return directory / (std::string(step) + ".last.json");
}

fs::path key_path(const fs::path& directory, std::string_view step) {
  return directory / (std::string(step) + ".key");
}

}  // namespace

void write_step_record(const fs::path& directory, const StepRecord& record) {
  OrderedJson json{{"outcome", record.outcome},
                   {"reason", record.reason},
                   {"detail", record.detail},
                   {"key", record.key},
                   {"milliseconds", record.milliseconds},
                   {"when", record.when != 0 ? record.when : static_cast<std::int64_t>(::time(nullptr))}};
  if (!record.result.empty()) json["result"] = record.result;
  write_file(record_path(directory, record.step),
             json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n", Durable::no);
}

std::optional<StepRecord> read_step_record(const fs::path& directory, std::string_view step) {
  const fs::path path = record_path(directory, step);
  const std::optional<std::string> text = read_file_if_exists(path, kRecordLimit);
  if (!text) return std::nullopt;
  const Json json = parse_json(*text, path.native());
  const JsonView view(json, path.native() + "#");
  StepRecord record;
  record.step = step;
  record.outcome = view.at("outcome").string();
  record.reason = view.string_or("reason", "");
  record.detail = view.string_or("detail", "");
  record.key = view.at("key").string();
  record.milliseconds = view.at("milliseconds").unsigned_number();
  record.when = static_cast<std::int64_t>(view.at("when").unsigned_number(INT64_MAX));
  record.result = view.string_or("result", "");
  return record;
}

bool rotate_key_text(const fs::path& directory, std::string_view step, std::string_view text) {
  const fs::path current = key_path(directory, step);
  if (has_content(current, text)) return false;
  // A copy, not a rename: whenever the process is killed there is a current key text.
  if (const auto old = read_file_if_exists(current, UINT64_MAX - 1))
    write_file(current.native() + ".previous", *old, Durable::no);
  write_file(current, text, Durable::no);
  return true;
}

RunReason run_reason(const fs::path& directory, std::string_view step, std::string_view key_text,
                     const Store::Lookup& lookup) {
  if (lookup.presence == Presence::damaged) return {"damaged", lookup.detail};
  if (lookup.presence == Presence::evicted) return {"evicted", lookup.detail};
  const fs::path last = key_path(directory, step);
  if (::access(last.c_str(), F_OK) != 0) return {"never", lookup.detail};
  if (!has_content(last, key_text)) return {"changed", lookup.detail};
  if (lookup.presence == Presence::present) return {};
  return {"evicted",
          "the store holds neither the result of the last build in this directory nor a record of its "
          "eviction: it was emptied, or this build uses another store"};
}

}  // namespace bottle::store
