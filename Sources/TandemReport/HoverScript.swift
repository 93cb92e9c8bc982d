/// The only script of the page: values beneath the pointer, and open recipes on paper.
///
/// The page says everything without it. Written without `<` and `&`, so that it is the same text in
/// HTML and in XML. It reads the places from the paths and the values from their `data-` attributes.
enum HoverScript {
  static let html: HTML = """
    <script>
    document.querySelectorAll('.plot').forEach(function (plot) {
      var svg = plot.querySelector('svg'), box = plot.querySelector('.readout');
      var rule = svg.querySelector('.rule'), width = svg.viewBox.baseVal.width;
      var lines = Array.from(svg.querySelectorAll('path[data-x]'), function (path) {
        var numbers = (path.getAttribute('d').match(/[\\d.]+/g) || []).map(Number);
        var list = function (name) { return path.dataset[name].split(' ').map(Number); };
        return { group: path.parentNode, name: path.dataset.name, x: list('x'), y: list('y'),
          places: list('x').map(function (_, i) { return [numbers[2 * i], numbers[2 * i + 1]]; }),
          dot: path.parentNode.querySelector('.hover') };
      }).reverse();
      function text(value, style) {
        if (style === 'share') { return (100 * value).toFixed(1) + '%'; }
        var size = Math.abs(value);
        return size > 0 ? 1e-4 > size || size >= 1e7 ? value.toExponential(2)
          : Number(value.toPrecision(5)).toLocaleString('en', { maximumFractionDigits: 8 }) : '0';
      }
      function entry(name, value, series) {
        var row = document.createElement('div'), left = document.createElement('span');
        var right = document.createElement('span');
        row.className = 'entry ' + series; left.className = 'name';
        left.textContent = name; right.textContent = value;
        row.append(left, right); box.append(row);
      }
      function hide() {
        box.hidden = true; rule.setAttribute('visibility', 'hidden');
        lines.forEach(function (line) { line.dot.setAttribute('visibility', 'hidden'); });
      }
      svg.addEventListener('pointerleave', hide);
      svg.addEventListener('pointermove', function (event) {
        var area = svg.getBoundingClientRect();
        var at = (event.clientX - area.left) / area.width * width;
        var found = lines.map(function (line) {
          return line.places.reduce(function (best, place, i) {
            return Math.abs(line.places[best][0] - at) > Math.abs(place[0] - at) ? i : best;
          }, 0);
        });
        var away = lines.map(function (line, k) {
          return Math.abs(line.places[found[k]][0] - at);
        });
        var near = away.indexOf(Math.min.apply(null, away));
        var place = lines[near].places[found[near]][0];
        box.replaceChildren();
        entry(svg.dataset.xLabel, text(lines[near].x[found[near]], 'plain'), '');
        lines.forEach(function (line, k) {
          var spot = line.places[found[k]], off = Math.abs(spot[0] - place) > 16;
          line.dot.setAttribute('visibility', off ? 'hidden' : 'visible');
          line.dot.setAttribute('cx', spot[0]); line.dot.setAttribute('cy', spot[1]);
          if (off) { return; }
          entry(line.name, text(line.y[found[k]], svg.dataset.style), line.group.className.baseVal);
        });
        rule.setAttribute('x1', place); rule.setAttribute('x2', place);
        rule.setAttribute('visibility', 'visible'); box.hidden = false;
        var left = place / width * area.width, room = area.width - box.offsetWidth;
        box.style.left = (left + 14 > room ? left - box.offsetWidth - 14 : left + 14) + 'px';
      });
    });
    addEventListener('beforeprint', function () {
      document.querySelectorAll('details').forEach(function (part) { part.open = true; });
    });
    </script>
    """
}
