// SPDX-License-Identifier: Apache-2.0
#include "explain/report.hpp"

#include "util/error.hpp"
#include "util/json.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <ctime>

namespace bottle::explain {
namespace {

std::optional<std::string> read_key(const fs::path& path) {
  return read_file_if_exists(path, UINT64_MAX - 1);
}

std::string_view kind_name(Change::Kind kind) {
  switch (kind) {
    case Change::Kind::added:
      return "added";
    case Change::Kind::removed:
      return "removed";
    case Change::Kind::changed:
      break;
  }
  return "changed";
}

std::string utc_time(std::int64_t seconds) {
  const auto when = static_cast<std::time_t>(seconds);
  std::tm parts{};
  char text[40];
  if (::gmtime_r(&when, &parts) == nullptr) return "at an unknown time";
  return std::strftime(text, sizeof text, "on %Y-%m-%d at %H:%M:%S UTC", &parts) == 0 ? "" : text;
}

std::string outcome_text(const std::string& outcome) {
  if (outcome == "stored") return "taken from the store";
  if (outcome == "unchanged") return "nothing changed";
  return outcome;
}

// One answer a reason: never built, changed, evicted and damaged are four different things.
std::string reason_text(const StepReport& step) {
  const store::StepRecord& record = *step.record;
  const std::string detail = record.detail.empty() ? "" : ": " + record.detail;
  if (record.reason == "never") return "because it had never been built here" + detail;
  if (record.reason == "evicted") return "because its result had been evicted from the store" + detail;
  if (record.reason == "damaged") return "because its result in the store was damaged" + detail;
  if (record.reason == "changed") {
    return step.changes.empty() ? "because its inputs changed (the key text of the build before is gone)"
                                : "because its inputs changed:";
  }
  return record.detail;
}

void add_list(std::string& text, const std::vector<Change>& changes) {
  for (const std::string& line : sentences(changes))
    text += "    " + line + "\n";
}

void add_step(std::string& text, const StepReport& step) {
  text += "  " + step.step + ": ";
  if (!step.record) {
    text += "never built here\n";
    return;
  }
  const store::StepRecord& record = *step.record;
  text +=
      fmt::format("{} {} in {} ms", outcome_text(record.outcome), utc_time(record.when), record.milliseconds);
  const std::string reason = reason_text(step);
  if (!reason.empty()) text += ", " + reason;
  text += "\n";
  if (record.reason == "changed") {
    add_list(text, step.changes);
  } else if (record.outcome == "unchanged" && !step.changes.empty()) {
    text += "    the last change before that:\n";
    add_list(text, step.changes);
  }
}

OrderedJson to_json(const std::vector<Change>& changes) {
  OrderedJson list = OrderedJson::array();
  for (const Change& change : changes) {
    list.push_back(
        {{"kind", kind_name(change.kind)},
         {"subject", change.subject},
         {"old", change.kind == Change::Kind::added ? OrderedJson() : OrderedJson(change.old_value)},
         {"new", change.kind == Change::Kind::removed ? OrderedJson() : OrderedJson(change.new_value)},
         {"text", sentence(change)}});
  }
  return list;
}

}  // namespace

BottleReport report(const std::string& slug, const fs::path& directory) {
  BottleReport result{slug, directory, {}, std::nullopt};
  for (const char* name : {"image", "pack"}) {
    StepReport step;
    step.step = name;
    step.record = store::read_step_record(directory, name);
    const std::optional<std::string> current = read_key(directory / (step.step + ".key"));
    const std::optional<std::string> previous = read_key(directory / (step.step + ".key.previous"));
    if (current && previous) step.changes = compare_key_texts(*previous, *current);
    result.steps.push_back(std::move(step));
  }
  const std::optional<std::string> built = read_key(directory / "image.key");
  const std::optional<std::string> present = read_key(directory / "key");
  if (built && present) result.pending = compare_key_texts(*built, *present);
  return result;
}

std::string to_text(const BottleReport& report) {
  std::string text = report.slug + " (" + report.directory.native() + ")\n";
  for (const StepReport& step : report.steps)
    add_step(text, step);
  if (report.pending && !report.pending->empty()) {
    text += "  next build: the image will run, because its inputs differ from those of the last build:\n";
    add_list(text, *report.pending);
  }
  return text;
}

std::string to_json(const std::vector<BottleReport>& reports) {
  OrderedJson bottles = OrderedJson::array();
  for (const BottleReport& report : reports) {
    OrderedJson steps = OrderedJson::array();
    for (const StepReport& step : report.steps) {
      OrderedJson json{{"step", step.step}};
      if (step.record) {
        json["outcome"] = step.record->outcome;
        json["reason"] = step.record->reason.empty() ? OrderedJson() : OrderedJson(step.record->reason);
        json["detail"] = step.record->detail;
        json["key"] = step.record->key;
        json["milliseconds"] = step.record->milliseconds;
        json["when"] = step.record->when;
      } else {
        json["outcome"] = nullptr;
        json["reason"] = "never";
      }
      json["changes"] = to_json(step.changes);
      steps.push_back(std::move(json));
    }
    bottles.push_back({{"slug", report.slug},
                       {"directory", report.directory.native()},
                       {"steps", std::move(steps)},
                       {"pending", report.pending ? to_json(*report.pending) : OrderedJson()}});
  }
  return OrderedJson{{"schema", 1}, {"bottles", std::move(bottles)}}.dump(
             2, ' ', false, OrderedJson::error_handler_t::replace) +
         "\n";
}

}  // namespace bottle::explain
