// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>

#include "dockerfile/directives.hpp"
#include "dockerfile/lint_options.hpp"
#include "dockerfile/text.hpp"

namespace bottle::dockerfile {
namespace {

constexpr std::string_view kExperimentalRule = "InvalidDefinitionDescription";

bool read_names(std::string_view value, std::set<std::string>& names) {
  value = trim_space(value);
  if (value == "all") return true;
  for (const std::string& name : split(value, ','))
    names.emplace(trim_space(name));
  return false;
}

std::optional<bool> read_bool(std::string_view value) {
  value = trim_space(value);
  for (const std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (value == yes) return true;
  }
  for (const std::string_view no : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (value == no) return false;
  }
  return std::nullopt;
}

}  // namespace

bool LintOptions::wants(std::string_view rule) const {
  const std::string name(rule);
  if (rule == kExperimentalRule) return experimental_all || experimental.count(name) > 0;
  return !skip_all && skipped.count(name) == 0;
}

void LintOptions::merge(const LintOptions& other) {
  skip_all = skip_all || other.skip_all;
  experimental_all = experimental_all || other.experimental_all;
  skipped.insert(other.skipped.begin(), other.skipped.end());
  experimental.insert(other.experimental.begin(), other.experimental.end());
}

LintOptions LintOptions::with(const std::vector<std::string>& comments) const {
  LintOptions options = *this;
  for (const std::string& comment : comments) {
    const auto directive = DirectiveReader("").take(comment);
    if (!directive || directive->name != "check") continue;
    if (const auto more = parse_lint_options(directive->value.substr(0, directive->value.find(' '))))
      options.merge(*more);
    break;
  }
  return options;
}

std::optional<LintOptions> parse_lint_options(std::string_view text) {
  LintOptions options;
  text = trim_space(text);
  if (text.empty()) return options;
  for (const std::string& part : split(text, ';')) {
    const std::size_t equals = part.find('=');
    if (equals == std::string::npos) return std::nullopt;
    const std::string_view key = trim_space(std::string_view(part).substr(0, equals));
    const std::string_view value = std::string_view(part).substr(equals + 1);
    if (key == "skip") {
      options.skip_all = read_names(value, options.skipped);
    } else if (key == "experimental") {
      options.experimental_all = read_names(value, options.experimental);
    } else if (key == "error") {
      const auto flag = read_bool(value);
      if (!flag) return std::nullopt;
      options.error = *flag;
    } else {
      return std::nullopt;
    }
  }
  return options;
}

const std::vector<std::string>& lint_rule_names() {
  static const std::vector<std::string> kNames{"ConsistentInstructionCasing",
                                               "CopyIgnoredFile",
                                               "DuplicateStageName",
                                               "ExposeInvalidFormat",
                                               "ExposeProtoCasing",
                                               "FromAsCasing",
                                               "FromPlatformFlagConstDisallowed",
                                               "InvalidBaseImagePlatform",
                                               "InvalidDefaultArgInFrom",
                                               "InvalidDefinitionDescription",
                                               "JSONArgsRecommended",
                                               "LegacyKeyValueFormat",
                                               "MaintainerDeprecated",
                                               "MultipleInstructionsDisallowed",
                                               "NoEmptyContinuation",
                                               "RedundantTargetPlatform",
                                               "ReservedStageName",
                                               "SecretsUsedInArgOrEnv",
                                               "StageNameCasing",
                                               "UndefinedArgInFrom",
                                               "UndefinedVar",
                                               "WorkdirRelativePath"};
  return kNames;
}

std::string LintWarning::text(const SourceText& source) const {
  std::string result = source.where(position) + ": warning: " + message + " [" + rule + "]";
  const std::string excerpt = source.excerpt(position);
  if (!excerpt.empty()) result += "\n" + excerpt;
  return result + "\n  hint: " + hint();
}

std::string LintWarning::hint() const {
  static const std::map<std::string_view, const char*> kHints{
      {"ConsistentInstructionCasing", "write all instructions in the same case"},
      {"CopyIgnoredFile", "remove the source, or add a rule that begins with ! to the ignore file"},
      {"DuplicateStageName", "rename one of the stages"},
      {"ExposeInvalidFormat", "write the container's port only: EXPOSE 80/tcp"},
      {"ExposeProtoCasing", "write the protocol in lower case"},
      {"FromAsCasing", "write FROM and AS in the same case"},
      {"FromPlatformFlagConstDisallowed", "remove --platform, or use an argument such as $BUILDPLATFORM"},
      {"InvalidBaseImagePlatform",
       "choose a base image for the expected platform, or build for the base's platform"},
      {"InvalidDefaultArgInFrom", "give the ARG a default that makes the image's name valid"},
      {"InvalidDefinitionDescription",
       "begin the comment with the name, or add an empty line below the comment"},
      {"JSONArgsRecommended", "write [\"program\", \"argument\"], or set the shell with SHELL"},
      {"LegacyKeyValueFormat", "write key=value"},
      {"MaintainerDeprecated", "write LABEL org.opencontainers.image.authors=<name>"},
      {"MultipleInstructionsDisallowed", "remove all except the last one"},
      {"NoEmptyContinuation", "remove the empty line, or begin it with #"},
      {"RedundantTargetPlatform", "remove the flag"},
      {"ReservedStageName", "choose a name other than scratch and context"},
      {"SecretsUsedInArgOrEnv", "use RUN --mount=type=secret: the image reveals arguments and variables"},
      {"StageNameCasing", "write the stage name in lower case"},
      {"UndefinedArgInFrom", "declare it with ARG before the first FROM"},
      {"UndefinedVar", "declare it with ARG or ENV above this line"},
      {"WorkdirRelativePath", "begin the path with /"}};
  const auto found = kHints.find(rule);
  return found == kHints.end() ? std::string() : found->second;
}

// The page's name is the rule's in lower case with hyphens: "JSONArgsRecommended" is json-args-recommended.
std::string LintWarning::url() const {
  if (rule == "InvalidBaseImagePlatform") return {};
  const auto upper = [](char character) { return character >= 'A' && character <= 'Z'; };
  std::string page;
  for (std::size_t at = 0; at < rule.size(); ++at) {
    const bool starts_word =
        upper(rule[at]) && at > 0 && (!upper(rule[at - 1]) || (at + 1 < rule.size() && !upper(rule[at + 1])));
    if (starts_word) page += '-';
    page += rule[at];
  }
  return "https://docs.docker.com/go/dockerfile/rule/" + to_lower(page) + "/";
}

}  // namespace bottle::dockerfile
