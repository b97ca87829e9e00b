// SPDX-License-Identifier: Apache-2.0
// What a step of a bottle left behind in the bottle's build directory for bottle-why: `<step>.last.json`
// (what the last run did and why) and `<step>.key`, `<step>.key.previous` (the key texts of the last two
// different builds). None of them is an input of anything: losing one costs an explanation, never a correct
// build.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "store/store.hpp"
#include "util/file.hpp"

namespace bottle::store {

struct StepRecord {
  std::string step;                // "fingerprint", "image", "pack"
  std::string outcome;             // "built", "stored" (taken from the store), "unchanged"
  std::string reason;              // "never", "changed", "evicted", "damaged"; empty when nothing had to run
  std::string detail;              // for people: what was evicted or damaged, and when
  std::string key;                 // hex of the step's key
  std::uint64_t milliseconds = 0;  // how long the step took
  std::int64_t when = 0;           // seconds since 1970; 0: write_step_record() takes the clock
  std::string result = {};         // digest of what the step made; empty: not said
};

// Writes <directory>/<step>.last.json, whole or not at all.
void write_step_record(const fs::path& directory, const StepRecord& record);
// nullopt when there is none. One that cannot be understood is an Error naming the file.
std::optional<StepRecord> read_step_record(const fs::path& directory, std::string_view step);

// Makes `text` the step's key text. When it differs from <step>.key, that one becomes <step>.key.previous
// first, so the two files always belong to two different keys. True when it differed.
bool rotate_key_text(const fs::path& directory, std::string_view step, std::string_view text);

// Why a step has to run, for StepRecord::reason and detail. Call it before rotate_key_text(). `lookup` is
// what the store said about the key of `key_text`: an evicted or damaged result comes first; else "changed"
// if the last build here had another key text, "evicted" if it had the same one (the store was emptied or is
// another one), "never" if there was none.
struct RunReason {
  std::string reason;
  std::string detail;
};
RunReason run_reason(const fs::path& directory, std::string_view step, std::string_view key_text,
                     const Store::Lookup& lookup);

}  // namespace bottle::store
