/** The workflow of GitHub Actions that checks a project: each of its `run` steps does the same on a desk. */
export function starterWorkflow(version: string): string {
  return `# Checks the project on every push and pull request: what is wrong is found before it reaches the warehouse.
name: sillon
on: [push, pull_request]
permissions:
  contents: read
concurrency:
  group: sillon-\${{ github.ref }}
  cancel-in-progress: true
jobs:
  check:
    runs-on: ubuntu-latest
    timeout-minutes: 30
    env:
      # What is installed where there is no package-lock.json: a release, a tarball or a repository.
      SILLON: sillon@${version}
      # Variables of your sources, their secrets from the repository's settings:
      # SHOP_URL: \${{ secrets.SHOP_URL }}
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-node@v4
        with:
          node-version: 24
      - name: Install
        run: if [ -f package-lock.json ]; then npm ci; else npm install --no-save --no-audit --no-fund "$SILLON"; fi
      - name: Build against an empty copy
        run: npx run pipeline --target ci --dry-run
      # With sources, load before the build; without the service from what run ingest --record recorded/ has kept:
      # - name: Load
      #   run: npx run ingest --target ci --replay recorded/
      - name: Build, unit tests and data tests
        run: npx run build --target ci
      - name: Keep artifacts
        if: always()
        uses: actions/upload-artifact@v4
        with:
          name: sillon
          path: |
            target/
            data/logs/
          if-no-files-found: ignore
`;
}
