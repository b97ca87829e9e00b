// SPDX-License-Identifier: Apache-2.0
#include "gate/render.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "testing.hpp"
#include "util/error.hpp"
#include "util/json.hpp"

namespace bottle::gate {
namespace {

class Render : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) {
    write_file(templates() / name, text, Durable::no);
  }
  fs::path templates() const {
    fs::create_directories(directory_.path() / "templates");
    return directory_.path() / "templates";
  }
  fs::path out() const { return directory_.path() / "out"; }
  RenderedScripts render() const {
    return render_gate(parse_description(json.dump(), "f"), "slug", templates());
  }

  TemporaryDirectory directory_;
  Json json = Json::parse(good_description());
};

constexpr const char* kTemplate =
    "#!/bin/sh\nf() {\n  echo \"$1\"\n}\n{{#upstreams}}\nf {{name}}\n{{/upstreams}}\n";

TEST_F(Render, WritesFilesAndPermissions) {
  write("run.mustache", kTemplate);
  write("part.sh.mustache", "# shellcheck shell=sh\nA={{slug}}\necho \"$A\"\n");
  write("README", "not a template\n");
  const RenderedScripts rendered = render();
  EXPECT_EQ(rendered.files.at("run").content, "#!/bin/sh\nf() {\n  echo \"$1\"\n}\nf 'project'\n");
  EXPECT_TRUE(rendered.files.at("run").executable);
  EXPECT_FALSE(rendered.files.at("part.sh").executable);
  EXPECT_EQ(rendered.files.at("known_hosts").content, std::string("[example.com]:2222 ") + kKey + "\n");
  EXPECT_EQ(rendered.files.count("README"), 0u);
  EXPECT_EQ(rendered.inputs.size(), 3u);  // the directory and two templates
  EXPECT_EQ(write_rendered(rendered, out()).written.size(), 5u);
  EXPECT_TRUE(fs::status(out() / "run").permissions() == fs::perms(0755));
  EXPECT_TRUE(fs::status(out() / "known_hosts").permissions() == fs::perms(0644));
}

TEST_F(Render, OnlyChangedFilesAreWritten) {
  write("run.mustache", kTemplate);
  write_rendered(render(), out());
  const WriteOutcome again = write_rendered(render(), out());
  EXPECT_TRUE(again.written.empty());
  EXPECT_TRUE(again.removed.empty());
  ASSERT_EQ(::chmod((out() / "run").c_str(), 0644), 0);
  EXPECT_EQ(write_rendered(render(), out()).written, std::vector<std::string>{"run"});
  json["upstreams"][0]["name"] = "other";
  EXPECT_EQ(write_rendered(render(), out()).written, (std::vector<std::string>{"gate.json", "run"}));
}

TEST_F(Render, StaleFilesAreRemoved) {
  write("run.mustache", kTemplate);
  write("old.mustache", "#!/bin/sh\ntrue\n");
  write_rendered(render(), out());
  fs::remove(templates() / "old.mustache");
  EXPECT_EQ(write_rendered(render(), out()).removed, std::vector<std::string>{"old"});
  EXPECT_FALSE(fs::exists(out() / "old"));
  write_file(out() / "mine", "x", Durable::no);
  EXPECT_NE(failure([&] {
              write_rendered(render(), out());
            }).find("expected a directory with rendered files only, found \"mine\""),
            std::string::npos);
  EXPECT_TRUE(fs::exists(out() / "mine"));
}

TEST_F(Render, UnusedVariablesAreErrors) {
  write("run.mustache", "#!/bin/sh\n{{#upstreams}}\necho {{name}} {{max_blob_bytes}}\n{{/upstreams}}\n");
  EXPECT_NO_THROW(render());
  json["upstreams"][0]["maxBlobBytes"] = 1;
  EXPECT_NO_THROW(render());
  json["upstreams"][0]["maxRefs"] = 1;
  EXPECT_NE(failure([&] { render(); }).find("sets \"max_refs\", which no template uses"), std::string::npos);
  json["upstreams"][0].erase("maxRefs");
  json["variables"] = {{"own", "x"}};
  EXPECT_NE(failure([&] { render(); }).find("sets \"own\""), std::string::npos);
  write("more.mustache", "#!/bin/sh\necho {{own}}\n");
  EXPECT_NO_THROW(render());
}

TEST_F(Render, DirectoryWithoutTemplatesIsAnError) {
  EXPECT_NE(failure([&] { render(); }).find("expected files"), std::string::npos);
  write("known_hosts.mustache", kTemplate);
  EXPECT_NE(failure([&] { render(); }).find("unexpected template for known_hosts"), std::string::npos);
  EXPECT_NE(failure([&] {
              render_gate(parse_description(json.dump(), "f"), "s", out());
            }).find("cannot read the template directory"),
            std::string::npos);
}

TEST_F(Render, IdentitiesAreNamedAndNeverRead) {
  const fs::path identity = directory_.path() / "identity";
  write_file(identity, "PRIVATE", Durable::no);
  ASSERT_EQ(::chmod(identity.c_str(), 0), 0);
  json["upstreams"][0]["identity"] = {{"file", identity.native()}};
  write("run.mustache", kTemplate);
  const RenderedScripts rendered = render();
  EXPECT_NE(rendered.files.at("gate.json").content.find(identity.native()), std::string::npos);
  for (const auto& [name, file] : rendered.files)
    EXPECT_EQ(file.content.find("PRIVATE"), std::string::npos);
  for (const std::string& input : rendered.inputs)
    EXPECT_NE(input, identity.native());
}

TEST_F(Render, WritesScannerRules) {
  json["scanner"] = Json::parse(R"({"useDefault": false, "allow": ["a\"b\\d"], "rules": [
    {"id": "x", "regex": "'''\"\n", "secretGroup": 1, "entropy": 3.5, "keywords": ["k\u0001"]}]})");
  const std::string text = scanner_rules_of(parse_description(json.dump(), "f"));
  EXPECT_EQ(text.find("useDefault"), std::string::npos);
  EXPECT_NE(
      text.find(
          "regex = \"'''\\\"\\u000A\"\nsecretGroup = 1\nentropy = 3.500000\nkeywords = [\"k\\u0001\"]\n"),
      std::string::npos)
      << text;
  EXPECT_NE(text.find("[allowlist]\nregexes = [\"a\\\"b\\\\d\"]\n"), std::string::npos) << text;
}

}  // namespace
}  // namespace bottle::gate
