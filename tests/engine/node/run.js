// Preview the compiled program of a directory, and print what the engine would do, one event a line.
//
// Pulumi's language host for Node.js is in no package registry. The Automation API of its SDK brings one of its own.

const { LocalWorkspace } = require("@pulumi/pulumi/automation");

async function main([directory, stackName]) {
  const program = async () => require(`${directory}/bin/index.js`);
  const stack = await LocalWorkspace.createOrSelectStack(
    { stackName, projectName: "shop", program },
    { workDir: directory },
  );
  await stack.preview({ color: "never", onEvent: (event) => console.log(JSON.stringify(event)) });
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error.message);
  process.exit(1);
});
