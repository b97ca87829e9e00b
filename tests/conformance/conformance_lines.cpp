// SPDX-License-Identifier: Apache-2.0
// Answers conformance tables: JSON lines in, JSON lines out.
//   bottle-conformance-lines words    {"word", "env": [], "escape", "mode": "word"|"words", "raw_quotes",
//   "skip_unset"}
//                                     -> {"result"} | {"words"} | {"error"}
//   bottle-conformance-lines ignore   {"patterns": [], "path"} -> {"match"} | {"error"}
//                                     {"content"} -> {"patterns"} | {"error"}
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "dockerfile/ignore.hpp"
#include "dockerfile/words.hpp"

namespace {

using nlohmann::json;
using Strings = std::vector<std::string>;

json answer_words(const json& row) {
  bottle::dockerfile::ExpandOptions options;
  options.escape = row.value("escape", "\\").at(0);
  options.raw_quotes = row.value("raw_quotes", false);
  options.skip_unset = row.value("skip_unset", false);
  const auto environment = bottle::dockerfile::Environment::from_lines(row.value("env", Strings()));
  const auto expansion = bottle::dockerfile::expand(row.at("word").get<std::string>(), environment, options);
  if (row.value("mode", "word") == "words") return {{"words", expansion.words}};
  return {{"result", expansion.text}};
}

json answer_ignore(const json& row) {
  if (row.contains("content")) {
    return {{"patterns", bottle::dockerfile::read_ignore_file(row.at("content").get<std::string>())}};
  }
  const bottle::dockerfile::IgnoreMatcher matcher(row.at("patterns").get<Strings>());
  return {{"match", matcher.matches(row.at("path").get<std::string>())}};
}

}  // namespace

int main(int argc, char** argv) {
  const std::string table = argc == 2 ? argv[1] : "";
  std::function<json(const json&)> answer;
  if (table == "words") answer = answer_words;
  if (table == "ignore") answer = answer_ignore;
  if (!answer) {
    std::cerr << "usage: bottle-conformance-lines words|ignore <rows >answers\n";
    return 2;
  }
  for (std::string line; std::getline(std::cin, line);) {
    json result;
    try {
      result = answer(json::parse(line));
    } catch (const bottle::Error& error) {
      result = {{"error", error.what()}};
    } catch (const json::exception& error) {
      std::cerr << "bottle-conformance-lines: bad row: " << error.what() << "\n";
      return 1;
    }
    std::cout << result.dump(-1, ' ', false, json::error_handler_t::replace) << std::endl;
  }
  return 0;
}
